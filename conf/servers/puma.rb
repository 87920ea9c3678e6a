# SPDX-License-Identifier: ISC
# The smallest application for puma.  It says which process answers; /slow takes
# a second for it.
port = ENV.fetch('PORT', '8080')
bind "tcp://127.0.0.1:#{port}" # found among the inherited sockets, and taken
threads 1, 4
quiet
# a thread takes a connection and its request together: on TERM the reactor would
# close those whose request it has not read yet
queue_requests false
raise_exception_on_sigterm false
force_shutdown_after 8

app do |env|
  sleep 1 if env['PATH_INFO'] == '/slow'
  answer = %({"pid":#{Process.pid},"generation":#{ENV.fetch('POOLD_GENERATION', 0)}})
  [200, { 'Content-Type' => 'application/json', 'Content-Length' => answer.bytesize.to_s },
   [answer]]
end
