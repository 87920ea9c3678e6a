<?php
// SPDX-License-Identifier: ISC
header('Content-Type: application/json');
echo json_encode([
	'language' => 'php',
	'version' => PHP_VERSION,
	'service' => $_GET['service'] ?? '',
	'data' => $_GET['data'] ?? '',
	'pid' => getmypid(),
	'port' => (int) $_SERVER['SERVER_PORT'],
]), "\n";
