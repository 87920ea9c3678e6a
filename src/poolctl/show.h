/* SPDX-License-Identifier: ISC */
/* Replies of poold, for people. */
#ifndef POOLCTL_SHOW_H
#define POOLCTL_SHOW_H

#include <jansson.h>

void show_status(const json_t *reply);
void show_service(const json_t *reply);
void show_config(const json_t *reply);
void show_check(const json_t *reply);
void show_metrics(const json_t *reply);
void show_slow(const json_t *reply);
void show_event(const json_t *event);
/* A line of the log. */
void show_log(const json_t *line);

#endif
