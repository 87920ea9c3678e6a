/* SPDX-License-Identifier: ISC */
#include "mime.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define UTF8 "; charset=utf-8"

/* What web sites are made of (IANA's registry; RFC 9239 for JavaScript). */
static const struct {
	const char *ending;
	const char *type;
} types[] = {
	{ "html", "text/html" UTF8 },
	{ "htm", "text/html" UTF8 },
	{ "css", "text/css" UTF8 },
	{ "js", "text/javascript" UTF8 },
	{ "mjs", "text/javascript" UTF8 },
	{ "txt", "text/plain" UTF8 },
	{ "text", "text/plain" UTF8 },
	{ "log", "text/plain" UTF8 },
	{ "conf", "text/plain" UTF8 },
	{ "ini", "text/plain" UTF8 },
	{ "md", "text/markdown" UTF8 },
	{ "csv", "text/csv" UTF8 },
	{ "ics", "text/calendar" UTF8 },
	{ "vtt", "text/vtt" UTF8 },
	{ "xml", "text/xml" UTF8 },
	{ "json", "application/json" },
	{ "map", "application/json" },
	{ "jsonld", "application/ld+json" },
	{ "webmanifest", "application/manifest+json" },
	{ "atom", "application/atom+xml" },
	{ "rss", "application/rss+xml" },
	{ "xhtml", "application/xhtml+xml" },
	{ "svg", "image/svg+xml" },
	{ "png", "image/png" },
	{ "jpg", "image/jpeg" },
	{ "jpeg", "image/jpeg" },
	{ "gif", "image/gif" },
	{ "webp", "image/webp" },
	{ "avif", "image/avif" },
	{ "bmp", "image/bmp" },
	{ "ico", "image/vnd.microsoft.icon" },
	{ "tif", "image/tiff" },
	{ "tiff", "image/tiff" },
	{ "woff", "font/woff" },
	{ "woff2", "font/woff2" },
	{ "ttf", "font/ttf" },
	{ "otf", "font/otf" },
	{ "mp3", "audio/mpeg" },
	{ "ogg", "audio/ogg" },
	{ "opus", "audio/ogg" },
	{ "flac", "audio/flac" },
	{ "wav", "audio/wav" },
	{ "mp4", "video/mp4" },
	{ "webm", "video/webm" },
	{ "ogv", "video/ogg" },
	{ "pdf", "application/pdf" },
	{ "epub", "application/epub+zip" },
	{ "wasm", "application/wasm" },
	{ "zip", "application/zip" },
	{ "gz", "application/gzip" },
	{ "zst", "application/zstd" },
	{ "tar", "application/x-tar" },
};

const char *
mime_type(const char *name)
{
	const char *slash = strrchr(name, '/');
	const char *dot = strrchr(slash != NULL ? slash : name, '.');
	size_t i;

	for (i = 0; dot != NULL && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcasecmp(dot + 1, types[i].ending) == 0)
			return types[i].type;
	return "application/octet-stream";
}
