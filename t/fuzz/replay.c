/* SPDX-License-Identifier: ISC */
/*
 * Runs a fuzzing target over files, without a fuzzer: over its seeds as part
 * of `make check`, or over those named, which is how a finding is looked at:
 *     t/fuzz/replay_head FILE...
 */
#include "t/fuzz/fuzz.h"

#include <dirent.h>
#include <err.h>
#include <limits.h>
#include <sys/stat.h>

#pragma weak LLVMFuzzerInitialize /* most targets have none */

static void
file_run(const char *path)
{
	FILE *in = fopen(path, "re");
	struct stat st;
	uint8_t *data;

	if (in == NULL || fstat(fileno(in), &st) == -1)
		err(1, "%s", path);
	data = malloc((size_t)st.st_size + 1);
	if (data == NULL || fread(data, 1, (size_t)st.st_size, in) != (size_t)st.st_size)
		err(1, "%s", path);
	fclose(in);
	fprintf(stderr, "%s\n", path); /* the last one named is the culprit */
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	free(data);
}

static int
folder_run(const char *path)
{
	char file[PATH_MAX];
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, alphasort);
	int ran = 0;

	if (count == -1)
		err(1, "%s", path);
	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.') {
			snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
			file_run(file);
			ran++;
		}
		free(entries[i]);
	}
	free(entries);
	return ran;
}

int
main(int argc, char **argv)
{
	int ran = 0;

	if (LLVMFuzzerInitialize != NULL)
		LLVMFuzzerInitialize(&argc, &argv);
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++, ran++)
		file_run(argv[i]);
	if (argc == 1)
		ran = folder_run(FUZZ_SEEDS);
	if (ran == 0)
		errx(1, "no seeds in %s", FUZZ_SEEDS);
	printf("%d inputs\n", ran);
	return 0;
}
