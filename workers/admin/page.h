/* SPDX-License-Identifier: ISC */
/* The dashboard: one page, built from admin.html, admin.css and admin.js. */
#ifndef ADMIN_PAGE_H
#define ADMIN_PAGE_H

#include <poold.h>
#include <stdbool.h>
#include <stddef.h>

#define PAGE_POLICY_SIZE 512
#define PAGE_TAG_SIZE	 48

struct page {
	char *text;
	size_t len;
	char policy[PAGE_POLICY_SIZE]; /* Content-Security-Policy */
	char tag[PAGE_TAG_SIZE];       /* ETag */
};

/* Returns false when there is no memory. */
bool page_make(struct page *page);
void page_free(struct page *page);
void page_answer(const struct page *page, struct poold_request *req);

/* The fields that every response of ours has. */
void page_protect(struct poold_request *req, const char *policy);

#endif
