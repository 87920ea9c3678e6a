/* SPDX-License-Identifier: ISC */
#include "passwd.h"

#include <assert.h>
#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poold.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/text.h"

#define YESCRYPT "$y$"
#define SHA512	 "$6$"

static_assert(PASSWD_HASH_MAX + 1 >= CRYPT_OUTPUT_SIZE, "any hash fits");

bool
passwd_name_ok(const char *name)
{
	size_t i, n, len = strlen(name);

	if (len == 0 || len > PASSWD_USER_MAX)
		return false;
	for (i = 0; i < len; i += n) {
		if ((n = text_utf8_length(name + i, len - i)) == 0)
			return false;
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f || name[i] == ':')
			return false;
	}
	return true;
}

static bool
hash_ok(const char *hash)
{
	return (strncmp(hash, YESCRYPT, strlen(YESCRYPT)) == 0 ||
		   strncmp(hash, SHA512, strlen(SHA512)) == 0) &&
	    strlen(hash) <= PASSWD_HASH_MAX &&
	    crypt_checksalt(hash) != CRYPT_SALT_INVALID;
}

/* Runs crypt(3).  Its work area held the password, and is wiped. */
static bool
hash_with(const char *password, const char *setting, char hash[PASSWD_HASH_MAX + 1])
{
	struct crypt_data *data;
	const char *result;
	bool ok;

	if ((data = calloc(1, sizeof(*data))) == NULL)
		return false;
	result = crypt_rn(password, setting, data, sizeof(*data));
	ok = result != NULL && strlen(result) <= PASSWD_HASH_MAX;
	if (ok)
		memcpy(hash, result, strlen(result) + 1);
	explicit_bzero(data, sizeof(*data));
	free(data);
	return ok;
}

bool
passwd_hash(const char *password, char hash[PASSWD_HASH_MAX + 1])
{
	static const char *const methods[] = { YESCRYPT, SHA512 };
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	size_t i;

	for (i = 0; i < 2; i++) {
		/* Cost 0 and no salt given: both chosen by libcrypt. */
		if (crypt_gensalt_rn(methods[i], 0, NULL, 0, setting, sizeof(setting)) !=
		    NULL)
			return hash_with(password, setting, hash);
	}
	return false;
}

static void
add_line(struct passwd *passwd, char *line, unsigned number)
{
	struct passwd_user *user;
	char *hash, *end;

	line[strcspn(line, "\r\n")] = '\0';
	if (*line == '\0' || *line == '#')
		return;
	if ((hash = strchr(line, ':')) == NULL) {
		poold_log(NULL, "%s:%u: no 'user:hash', line left out", passwd->path,
		    number);
		return;
	}
	*hash++ = '\0';
	if ((end = strchr(hash, ':')) != NULL)
		*end = '\0'; /* more fields, as shadow(5) has, are nothing to us */
	if (!passwd_name_ok(line)) {
		poold_log(NULL, "%s:%u: bad user name, line left out", passwd->path,
		    number);
		return;
	}
	if (!hash_ok(hash)) {
		poold_log(NULL,
		    "%s:%u: the hash of %s is neither yescrypt ($y$) nor "
		    "sha512 ($6$), line left out",
		    passwd->path, number, line);
		return;
	}
	if (passwd_known(passwd, line)) {
		poold_log(NULL, "%s:%u: user %s again, line left out", passwd->path,
		    number, line);
		return;
	}
	if ((user = calloc(1, sizeof(*user))) == NULL)
		return;
	memcpy(user->name, line, strlen(line) + 1);
	memcpy(user->hash, hash, strlen(hash) + 1);
	STAILQ_INSERT_TAIL(&passwd->users, user, entry);
}

void
passwd_parse(struct passwd *passwd, char *text)
{
	const struct passwd_user *first;
	char *line = text, *next;
	unsigned number;

	for (number = 1; line != NULL; number++, line = next) {
		if ((next = strchr(line, '\n')) != NULL)
			*next++ = '\0';
		add_line(passwd, line, number);
	}
	if ((first = STAILQ_FIRST(&passwd->users)) != NULL)
		memcpy(passwd->dummy, first->hash, sizeof(passwd->dummy));
}

static void
users_free(struct passwd *passwd)
{
	struct passwd_user *user;

	while ((user = STAILQ_FIRST(&passwd->users)) != NULL) {
		STAILQ_REMOVE_HEAD(&passwd->users, entry);
		free(user);
	}
}

/* The whole file as text, for the caller to free; NULL with errno. */
static char *
read_all(int fd)
{
	char *text;
	size_t len = 0;
	ssize_t n;

	if ((text = malloc(PASSWD_FILE_MAX + 1)) == NULL)
		return NULL;
	while ((n = read(fd, text + len, PASSWD_FILE_MAX + 1 - len)) > 0) {
		len += (size_t)n;
		if (len > PASSWD_FILE_MAX) {
			errno = EFBIG;
			n = -1;
			break;
		}
	}
	if (n == -1) {
		free(text);
		return NULL;
	}
	text[len] = '\0';
	return text;
}

static bool
load(struct passwd *passwd)
{
	char *text = NULL;
	int fd, error;

	fd = open(passwd->path, O_RDONLY | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &passwd->seen) == -1 || (text = read_all(fd)) == NULL) {
		error = errno;
		if (!passwd->failed)
			poold_log(NULL, "cannot read %s: %s", passwd->path,
			    strerror(error));
		passwd->failed = true;
	} else {
		passwd->failed = false;
		users_free(passwd);
		passwd_parse(passwd, text);
	}
	if (fd != -1)
		close(fd);
	free(text);
	return !passwd->failed;
}

bool
passwd_open(struct passwd *passwd, const char *path)
{
	*passwd = (struct passwd){ .path = path };
	STAILQ_INIT(&passwd->users);
	if (!passwd_hash("", passwd->dummy)) {
		poold_log(NULL, "crypt(3) has neither yescrypt nor sha512");
		return false;
	}
	return load(passwd);
}

void
passwd_close(struct passwd *passwd)
{
	users_free(passwd);
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	    a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	    a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

void
passwd_refresh(struct passwd *passwd)
{
	struct stat st;

	if (!passwd->failed && stat(passwd->path, &st) == 0 &&
	    same_file(&st, &passwd->seen))
		return;
	(void)load(passwd);
}

static const struct passwd_user *
find(const struct passwd *passwd, const char *name)
{
	const struct passwd_user *user;

	STAILQ_FOREACH (user, &passwd->users, entry)
		if (strcmp(user->name, name) == 0)
			return user;
	return NULL;
}

bool
passwd_known(const struct passwd *passwd, const char *user)
{
	return find(passwd, user) != NULL;
}

bool
passwd_verify(const struct passwd *passwd, const char *user, const char *password)
{
	const struct passwd_user *known = find(passwd, user);
	const char *expected = known != NULL ? known->hash : passwd->dummy;
	char hash[PASSWD_HASH_MAX + 1] = "";
	bool same;

	same = hash_with(password, expected, hash) && strlen(hash) == strlen(expected) &&
	    CRYPTO_memcmp(hash, expected, strlen(expected)) == 0;
	explicit_bzero(hash, sizeof(hash));
	return same && known != NULL;
}
