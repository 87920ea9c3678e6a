# SPDX-License-Identifier: ISC
# The checks of configure.ac that autoconf does not have.

# POOLD_MISSING(WHAT, DEBIAN-PACKAGE)
# Remembers for POOLD_MISSING_REPORT that something was not found.
AC_DEFUN([POOLD_MISSING], [AS_VAR_APPEND([poold_missing], ["
    $1  (Debian: $2)"])])

# POOLD_MISSING_REPORT
# Ends configure with all that POOLD_MISSING was told, if anything.
AC_DEFUN([POOLD_MISSING_REPORT], [AS_IF([test -n "$poold_missing"],
    [AC_MSG_ERROR([not found:$poold_missing
On Debian, script/setup installs or names all that a build needs.])])])

# POOLD_LIBRARY(VARIABLE, PKG-CONFIG-MODULE, DEBIAN-PACKAGE)
AC_DEFUN([POOLD_LIBRARY], [PKG_CHECK_MODULES([$1], [$2], [],
    [POOLD_MISSING([$2], [$3])])])

# POOLD_COMPILER_FLAGS(VARIABLE, FLAGS)
# Appends to VARIABLE those of FLAGS that the compiler takes without a word.
AC_DEFUN([POOLD_COMPILER_FLAGS], [
for poold_flag in m4_normalize([$2]); do
	AC_MSG_CHECKING([whether $CC accepts $poold_flag])
	poold_save=$CFLAGS
	CFLAGS="$CFLAGS -Werror $poold_flag"
	AC_COMPILE_IFELSE([AC_LANG_SOURCE([int poold; ])],
	    [AC_MSG_RESULT([yes])
	    AS_VAR_APPEND([$1], [" $poold_flag"])],
	    [AC_MSG_RESULT([no])])
	CFLAGS=$poold_save
done])

# POOLD_LINKER_FLAGS(VARIABLE, FLAGS, [COMPILER-FLAGS])
# The same for flags that matter when a program is linked.
AC_DEFUN([POOLD_LINKER_FLAGS], [
for poold_flag in m4_normalize([$2]); do
	AC_MSG_CHECKING([whether $CC links with $poold_flag])
	poold_save=$CFLAGS
	poold_save_ld=$LDFLAGS
	CFLAGS="$CFLAGS $3"
	LDFLAGS="$LDFLAGS $poold_flag"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
	    [AC_MSG_RESULT([yes])
	    AS_VAR_APPEND([$1], [" $poold_flag"])],
	    [AC_MSG_RESULT([no])])
	CFLAGS=$poold_save
	LDFLAGS=$poold_save_ld
done])

# POOLD_FORTIFY
# Adds the highest level of _FORTIFY_SOURCE that works with the compiler's
# flags to POOLD_CPPFLAGS.  It needs an optimising compiler, and libc warns
# when it gets none: with -O0 no level is taken.
AC_DEFUN([POOLD_FORTIFY], [
AC_MSG_CHECKING([for _FORTIFY_SOURCE])
poold_fortify=no
for poold_level in 3 2; do
	poold_save=$CFLAGS
	CFLAGS="$CFLAGS -Werror -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$poold_level"
	AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
#include <string.h>
#ifndef __OPTIMIZE__
#error without optimisation there is nothing to gain
#endif
]])], [poold_fortify=$poold_level])
	CFLAGS=$poold_save
	AS_IF([test "$poold_fortify" != no], [break])
done
AC_MSG_RESULT([$poold_fortify])
AS_IF([test "$poold_fortify" != no], [AS_VAR_APPEND([POOLD_CPPFLAGS],
    [" -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$poold_fortify"])])])
