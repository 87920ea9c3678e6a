/* SPDX-License-Identifier: ISC */
#include "page.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Made by the build: bytes of the three files, NUL at their end. */
#include "admin_css.h"
#include "admin_html.h"
#include "admin_js.h"

/* What stands in admin.html where the other two belong. */
#define CSS_MARK "/* admin.css */"
#define JS_MARK	 "/* admin.js */"

#define DIGEST_SIZE 32
#define BASE64_SIZE 45

static bool
hash(const char *text, size_t len, char out[BASE64_SIZE])
{
	unsigned char digest[DIGEST_SIZE];
	unsigned int digest_len = sizeof(digest);

	if (EVP_Digest(text, len, digest, &digest_len, EVP_sha256(), NULL) != 1)
		return false;
	EVP_EncodeBlock((unsigned char *)out, digest, (int)digest_len);
	return true;
}

/* text with insert in the place of mark. */
static char *
with(const char *text, const char *mark, const char *insert)
{
	const char *at = strstr(text, mark);
	size_t size = strlen(text) + strlen(insert) + 1;
	char *out = at != NULL ? malloc(size) : NULL;

	if (out != NULL)
		snprintf(out, size, "%.*s%s%s", (int)(at - text), text, insert,
		    at + strlen(mark));
	return out;
}

bool
page_make(struct page *page)
{
	const char *html = (const char *)admin_html, *css = (const char *)admin_css,
		   *js = (const char *)admin_js;
	char css_hash[BASE64_SIZE], js_hash[BASE64_SIZE], tag[BASE64_SIZE];
	char *half = with(html, CSS_MARK, css);

	*page = (struct page){ .text = half != NULL ? with(half, JS_MARK, js) : NULL };
	free(half);
	if (page->text == NULL || !hash(css, strlen(css), css_hash) ||
	    !hash(js, strlen(js), js_hash))
		return false;
	page->len = strlen(page->text);
	if (!hash(page->text, page->len, tag))
		return false;
	snprintf(page->tag, sizeof(page->tag), "\"%.43s\"", tag);
	/* nothing but what this page is made of, and requests to where it came from */
	snprintf(page->policy, sizeof(page->policy),
	    "default-src 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'; "
	    "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
	    "frame-ancestors 'none'",
	    js_hash, css_hash);
	return true;
}

void
page_free(struct page *page)
{
	free(page->text);
	page->text = NULL;
}

void
page_protect(struct poold_request *req, const char *policy)
{
	(void)poold_set_header(req, "Content-Security-Policy",
	    policy != NULL ? policy : "default-src 'none'; frame-ancestors 'none'");
	(void)poold_set_header(req, "X-Content-Type-Options", "nosniff");
	(void)poold_set_header(req, "X-Frame-Options", "DENY");
	(void)poold_set_header(req, "Referrer-Policy", "no-referrer");
	(void)poold_set_header(req, "Cross-Origin-Resource-Policy", "same-origin");
	(void)poold_set_header(req, "Cross-Origin-Opener-Policy", "same-origin");
}

void
page_answer(const struct page *page, struct poold_request *req)
{
	const char *known = poold_header(req, "If-None-Match");

	page_protect(req, page->policy);
	(void)poold_set_header(req, "Cache-Control", "no-cache");
	(void)poold_set_header(req, "ETag", page->tag);
	if (known != NULL && strcmp(known, page->tag) == 0)
		(void)poold_respond(req, 304, NULL, NULL, 0);
	else
		(void)poold_respond(req, 200, "text/html; charset=utf-8", page->text,
		    page->len);
}
