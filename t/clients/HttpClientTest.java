// SPDX-License-Identifier: ISC
// Java's own HTTP client, as it comes: it offers h2c with each request that is
// the first on its connection.  Run by t/clients.t, which looks at what this
// prints: for each exchange "NAME STATUS VERSION BODY".
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

public class HttpClientTest {
	private static final HttpClient client = HttpClient.newHttpClient();
	private static String base;

	private static HttpRequest.Builder to(String target) {
		return HttpRequest.newBuilder(URI.create(base + target))
		    .timeout(Duration.ofSeconds(60));
	}

	private static void show(String name, HttpResponse<String> response) {
		System.out.println(name + " " + response.statusCode() + " "
		    + response.version() + " "
		    + response.body().replace("\n", "|"));
	}

	private static void send(String name, HttpRequest request) throws Exception {
		show(name, client.send(request, BodyHandlers.ofString()));
	}

	private static byte[] bytes(int count) {
		byte[] bytes = new byte[count];

		for (int i = 0; i < count; i++)
			bytes[i] = (byte) (i * 7 % 251);
		return bytes;
	}

	public static void main(String[] args) throws Exception {
		List<CompletableFuture<HttpResponse<String>>> all = new ArrayList<>();

		base = args[0];
		send("first", to("/echo?header=upgrade").build());
		send("again", to("/echo?header=upgrade").build());
		send("post", to("/echo")
		    .POST(BodyPublishers.ofByteArray(bytes(100000))).build());
		send("expect", to("/echo").expectContinue(true)
		    .POST(BodyPublishers.ofByteArray(bytes(300000))).build());
		// not with expectContinue: Java 17 then waits for a 100 for ever
		send("refused", to("/small")
		    .POST(BodyPublishers.ofByteArray(bytes(300000))).build());
		send("chunked", to("/echo?stream=3").build());
		for (int i = 0; i < 20; i++)
			all.add(client.sendAsync(to("/echo?n=" + i).build(),
			    BodyHandlers.ofString()));
		for (CompletableFuture<HttpResponse<String>> one : all)
			show("parallel", one.get());
	}
}
