-- SPDX-License-Identifier: ISC
-- For wrk: "-- post" makes it POST 64 KiB; the figures are printed in one line
-- for bench/run, times in microseconds.

function init(args)
	if args[1] == "post" then
		wrk.method = "POST"
		wrk.body = string.rep("x", 65536)
	end
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format(
	    "\nfigures: requests=%d bytes=%.0f duration=%d p50=%.0f p99=%.0f failed=%d\n",
	    summary.requests, summary.bytes, summary.duration,
	    latency:percentile(50), latency:percentile(99),
	    e.connect + e.read + e.write + e.status + e.timeout))
end
