// Small helpers over socket calls. net/ only.
#pragma once

#include "base/endpoint.h"
#include "base/fd.h"
#include "base/result.h"
#include "net/connection.h"
#include "net/io.h"

#include <span>
#include <string_view>

namespace impulse::net {

// A stream socket, non-blocking and close-on-exec. The error names `endpoint`.
Result<UniqueFd> stream_socket(const Endpoint& endpoint);
Result<> set_nonblocking(int fd);
// What the kernel refuses is left at its default: none of it is worth a session.
void apply(const SocketOptions& options, int fd, int family);

// As the kernel knows them; an empty Unix path when the socket has no name.
Endpoint local_name(int fd);
Endpoint peer_name(int fd);

// One recv or send; never SIGPIPE, EINTR is retried.
IoResult receive_plain(int fd, std::span<char> into);
IoResult send_plain(int fd, std::string_view bytes);
// Throws away what has arrived, as much as fits into `scratch`. Io::need_read
// when there is nothing at present, Io::end when nothing will come.
Io discard_input(int fd, std::span<char> scratch);

}  // namespace impulse::net
