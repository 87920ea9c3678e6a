#!/bin/sh
# SPDX-License-Identifier: ISC
# The smallest CGI program: a head, an empty line, a body.
printf 'Content-Type: application/json\n\n'
printf '{"language":"cgi","pid":%d,"port":%d}\n' $$ "$SERVER_PORT"
