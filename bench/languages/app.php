<?php
// SPDX-License-Identifier: ISC
// What bench/chaos has poold-fastcgi serve by php-cgi: the line "id pid" again and
// again, up to size bytes, once at least.
usleep((int) ($_GET['sleep_us'] ?? 0));
$line = $_GET['id'] . ' ' . getmypid() . "\n";
$size = max((int) ($_GET['size'] ?? 0), strlen($line));
header('Content-Type: text/plain');
header("Content-Length: $size");
echo substr(str_repeat($line, intdiv($size, strlen($line)) + 1), 0, $size);
