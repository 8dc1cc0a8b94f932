// What a HTTP request says and what an answer to it is: RequestHead, Request,
// Response. Plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::http {

struct Field {
  std::string name;   // as written; compare with iequals
  std::string value;  // without the white space around it; no control characters but tabs
  friend bool operator==(const Field&, const Field&) = default;
};

// In the order they came.
class Fields {
 public:
  void add(std::string name, std::string value) { list_.push_back({std::move(name), std::move(value)}); }
  // The value of the first one of that name (ASCII case folded). What may come
  // once only (see message.cc) comes once at most: a second one is a 400.
  std::optional<std::string_view> find(std::string_view name) const;
  size_t count(std::string_view name) const;
  size_t size() const { return list_.size(); }
  auto begin() const { return list_.begin(); }
  auto end() const { return list_.end(); }
  friend bool operator==(const Fields&, const Fields&) = default;

 private:
  std::vector<Field> list_;
};

// GET … OPTIONS: all others are answered with 405 by the engine.
enum class Method : uint8_t { get, head, post, put, patch, del, options };
std::string_view method_name(Method method);
std::optional<Method> parse_method(std::string_view name);

struct RequestHead {
  Method method = Method::get;
  std::string target;  // as it came: for logs (escape it)
  // Decoded once, UTF-8, begins with '/', no control character, no "." or ".."
  // segment, no backslash. What would change its meaning stays escaped: an
  // escaped slash is "%2F", an escaped per cent sign "%25", so that two targets
  // that mean different things never have one path. "*" for OPTIONS *.
  std::string path;
  // Decoded as a form is (application/x-www-form-urlencoded: '+' is a space), in
  // order, doubles kept. UTF-8 without control characters.
  std::vector<std::pair<std::string, std::string>> query;
  Fields fields;
  int minor = 1;     // HTTP/1.minor: 0 or 1
  std::string host;  // of Host, or of a target in absolute form; empty: a HTTP/1.0 client did not say
  std::string id;    // X-Request-Id: the client's when it is harmless, else ServerHost::make_id's

  bool has_body = false;                   // a body follows, of a length above 0 or chunked
  std::optional<uint64_t> content_length;  // as sent; none: chunked, or no body
  bool expects_continue = false;           // it waits for our "100 Continue", which was not sent yet
  bool keep_alive = false;                 // the client wants the connection to stay

  // The first value of that name; none: it is not there.
  std::optional<std::string_view> parameter(std::string_view name) const;
};

// A piece of a path between slashes as the client meant it: what RequestHead::path
// keeps escaped is decoded. For names and ids in paths, never for routing.
std::string path_parameter(std::string_view segment);

// Behind a body's end there is room that may be read (not written), as
// simdjson::padded_string_view wants it: body.capacity() >= body.size() + body_padding,
// until somebody copies it.
constexpr size_t body_padding = 64;

struct Request {
  RequestHead head;
  std::string body;        // decoded: neither chunked nor compressed
  uint64_t sent_size = 0;  // of the body as it came, without the framing of chunks
};

struct Response {
  int status = 200;  // 200 to 599
  // Without those that the engine writes: Connection, Content-Length, Date, Server,
  // Transfer-Encoding, X-Request-Id. If given all the same they are left out;
  // control characters in values become spaces.
  std::vector<Field> fields;
  std::string body;    // not sent to HEAD, nor with 204 and 304
  bool close = false;  // the connection ends after it

  Response& with(std::string name, std::string value) {
    fields.push_back({std::move(name), std::move(value)});
    return *this;
  }
};

// "200 OK"'s second word; "Unknown" for codes that have none.
std::string_view reason_phrase(int status);

}  // namespace impulse::http
