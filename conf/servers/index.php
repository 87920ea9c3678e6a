<?php
// SPDX-License-Identifier: ISC
// Says which process answers; slow=1 takes a second for it.
if (isset($_GET['slow']))
	sleep(1);
header('Content-Type: application/json');
echo json_encode(['pid' => getmypid(), 'generation' => (int)getenv('POOLD_GENERATION')]);
