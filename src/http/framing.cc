#include "http/framing.h"

#include "http/head.h"
#include "http/line_guard.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/basic_parser.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

namespace impulse::http {

namespace {

using boost::optional;
using boost::beast::error_code;
using boost::beast::string_view;
namespace beast_http = boost::beast::http;

// The line before a chunk, with its CRLF and that of the chunk before it.
constexpr size_t longest_size_line = 256;
// Framing may be so many bytes, and so many times the body: one-byte chunks are
// five times their content, endless extensions are an attack.
constexpr uint64_t free_overhead = 65536;
constexpr uint64_t overhead_ratio = 8;

Fault bad_chunk(std::string message) { return {.status = 400, .cause = "chunk", .message = std::move(message)}; }

// Beast's parser, which tells what it has read.
class Parser final : public beast_http::basic_parser<true> {
 public:
  string_view method;  // these two in the bytes of the head
  string_view target;
  int version = 0;  // 10 or 11
  size_t fields = 0;
  uint64_t chunk = 0;  // of the last chunk's line
  std::string_view data;

 private:
  void on_request_impl(beast_http::verb, string_view name, string_view what, int number, error_code&) override {
    method = name;
    target = what;
    version = number;
  }
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(beast_http::field, string_view, string_view, error_code&) override { ++fields; }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const optional<uint64_t>&, error_code&) override {}
  size_t on_body_impl(string_view body, error_code&) override {
    data = {body.data(), body.size()};
    return body.size();
  }
  void on_chunk_header_impl(uint64_t size, string_view, error_code&) override { chunk = size; }
  size_t on_chunk_body_impl(uint64_t, string_view body, error_code&) override {
    data = {body.data(), body.size()};
    return body.size();
  }
  void on_finish_impl(error_code&) override {}
};

}  // namespace

struct Framing::Impl {
  enum class At : uint8_t { length, size_line, chunk, chunk_end, trailers, done };

  // All of it, or a fault: the two readers do not agree.
  bool put(std::string_view bytes) {
    error_code error;
    parser.data = {};
    const size_t used = parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
    if (!error && used == bytes.size()) return true;
    fault = Fault{.status = 400, .cause = "framing", .message = "The request can be read in more than one way"};
    return false;
  }

  // Passes on what a chunk's line says, once it is there with all that goes before it.
  void pass_on() {
    if (put(held)) held.clear();
  }

  Step feed_data(std::string_view bytes, At behind);
  size_t feed_line(std::string_view bytes);
  void size_line();
  void trailer();
  size_t feed_chunk_end(std::string_view bytes);

  Parser parser;
  At at = At::done;
  std::optional<Fault> fault;
  uint64_t announced = 0;
  uint64_t left = 0;      // of the body, or of the chunk
  uint64_t overhead = 0;  // bytes of framing
  LineGuard guard;
  std::string held;  // framing that the parser has not seen yet
  size_t trailer_fields = 0;
  size_t trailers_begin = 0;  // in held
  size_t most_trailers = 0;   // bytes
  size_t most_fields = 0;
};

Framing::Framing() = default;
Framing::~Framing() = default;

std::optional<Fault> Framing::begin(std::string_view text, const RequestHead& head, const Policy& policy) {
  impl_ = std::make_unique<Impl>();
  Impl& impl = *impl_;
  impl.parser.header_limit(std::numeric_limits<uint32_t>::max());
  impl.parser.body_limit(boost::none);
  impl.most_trailers = policy.max_header_size;
  impl.most_fields = policy.max_header_fields;
  if (!impl.put(text)) return impl.fault;
  Parser& parser = impl.parser;
  const bool chunked = is_chunked(head);
  const uint64_t length = parser.content_length().value_or(0);
  const bool agreed = parser.is_header_done() && parser.is_done() == !head.has_body && parser.chunked() == chunked &&
                      length == head.content_length.value_or(0) && parser.fields == head.fields.size() &&
                      parser.method == method_name(head.method) && parser.target == head.target &&
                      parser.version == 10 + head.minor;
  if (!agreed)
    impl.fault = Fault{.status = 400, .cause = "framing", .message = "The header can be read in more than one way"};
  if (chunked) {
    impl.at = Impl::At::size_line;
  } else if (head.has_body) {
    impl.at = Impl::At::length;
    impl.announced = impl.left = length;
  }
  return impl.fault;
}

Framing::Step Framing::Impl::feed_data(std::string_view bytes, At behind) {
  const size_t take = static_cast<size_t>(std::min<uint64_t>(left, bytes.size()));
  if (!put(bytes.substr(0, take))) return {take, {}};
  left -= take;
  if (left == 0) at = behind;
  return {take, parser.data};
}

size_t Framing::Impl::feed_chunk_end(std::string_view bytes) {
  held += bytes.front();
  if (held != std::string_view("\r\n").substr(0, held.size()))
    fault = bad_chunk("A chunk is longer than its size");
  else if (held.size() == 2)
    at = At::size_line;
  return 1;
}

size_t Framing::Impl::feed_line(std::string_view bytes) {
  const size_t so_far = held.size() - trailers_begin;  // trailers, with the line under way
  const size_t most =
      at == At::size_line ? longest_size_line : most_trailers - std::min(most_trailers, so_far - guard.length());
  const LineGuard::Result read = guard.feed(bytes, most);
  held += bytes.substr(0, read.used);
  if (at == At::size_line) overhead += read.used;
  if (overhead > free_overhead && overhead / overhead_ratio > announced)
    fault = bad_chunk("There is more framing than body");
  else if (read.verdict == LineGuard::Verdict::length && at == At::trailers)
    fault = Fault{.status = 431, .cause = "header_size", .message = "The trailers are too large"};
  else if (read.verdict == LineGuard::Verdict::line && at == At::size_line)
    size_line();
  else if (read.verdict == LineGuard::Verdict::line)
    trailer();
  else if (read.verdict != LineGuard::Verdict::more)
    fault = bad_chunk(std::string(line_fault(read.verdict)));
  return read.used;
}

void Framing::Impl::size_line() {
  const std::string_view line = std::string_view(held).substr(held.size() - guard.length(), guard.length() - 2);
  guard.next();
  const std::optional<uint64_t> size = chunk_size(line);
  if (!size || *size > std::numeric_limits<uint64_t>::max() - announced) {
    fault = bad_chunk("A chunk's size cannot be read");
    return;
  }
  if (*size == 0) {
    at = At::trailers;
    trailers_begin = held.size();
    return;
  }
  pass_on();
  if (!fault && parser.chunk != *size) fault = bad_chunk("A chunk's size can be read in more than one way");
  announced += *size;
  left = *size;
  at = At::chunk;
}

void Framing::Impl::trailer() {
  const std::string_view line = std::string_view(held).substr(held.size() - guard.length(), guard.length() - 2);
  guard.next();
  if (line.empty()) {
    pass_on();
    at = At::done;
    if (!fault && !parser.is_done()) fault = bad_chunk("The body's end can be read in more than one way");
  } else if (!field_line(line)) {
    fault = bad_chunk("A trailer is no header line");
  } else if (++trailer_fields > most_fields) {
    fault = Fault{.status = 431, .cause = "header_size", .message = "There are too many trailers"};
  }
}

Framing::Step Framing::feed(std::string_view bytes) {
  switch (impl_->at) {
    case Impl::At::length:
      return impl_->feed_data(bytes, Impl::At::done);
    case Impl::At::chunk:
      return impl_->feed_data(bytes, Impl::At::chunk_end);
    case Impl::At::chunk_end:
      return {impl_->feed_chunk_end(bytes), {}};
    case Impl::At::size_line:
    case Impl::At::trailers:
      return {impl_->feed_line(bytes), {}};
    case Impl::At::done:
      break;
  }
  return {};
}

bool Framing::done() const { return impl_->at == Impl::At::done; }
const std::optional<Fault>& Framing::fault() const { return impl_->fault; }
uint64_t Framing::announced() const { return impl_->announced; }

}  // namespace impulse::http
