/* SPDX-License-Identifier: ISC */
/* Values of poolctl top as short texts, a cell of a table each.  Negative numbers are
 * unknown: "-". */
#ifndef POOLCTL_TOP_CELL_H
#define POOLCTL_TOP_CELL_H

#define TOP_CELL_MAX 64 /* bytes of a cell */

/* Seconds: 1.2ms, 250ms, 1.5s, 2m05, 3h07, 4d11h. */
void top_cell_span(char *cell, double s);
void top_cell_count(char *cell, double n);
void top_cell_rate(char *cell, double n);
/* K and more, by 1024: 640.0K, 1.2G. */
void top_cell_size(char *cell, double bytes);
/* A part of a whole, which is 1: 12.5%. */
void top_cell_part(char *cell, double part);

#endif
