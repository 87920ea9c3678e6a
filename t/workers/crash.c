/* SPDX-License-Identifier: ISC */
/* A worker that dies as soon as it is started. */
int
main(void)
{
	return 3;
}
