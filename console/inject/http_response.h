// HttpResponseReader: a server's answers (RFC 9112), one at a time, bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace impulse::ecinject {

class HttpResponseReader {
 public:
  // Takes bytes from the front until one answer is complete or all are taken.
  // True: it is complete, until the next call.
  bool take(std::string_view& bytes);
  // The connection has ended in order: that ends an answer without a length.
  bool finish();
  // Why what came is no answer; empty while it can be one.
  std::string_view error() const { return error_; }

  int status() const { return status_; }
  const std::string& body() const { return body_; }      // at most the first 4 MiB
  uint64_t retry_after() const { return retry_after_; }  // seconds, at most an hour; 0: not said, or as a date
  bool closes() const { return closes_; }                // the connection ends behind it
  bool midway() const { return step_ != Step::head || !line_.empty(); }

 private:
  enum class Step : uint8_t { head, fields, sized, chunk_line, chunk, chunk_end, trailers, to_end, done };
  bool on_line(std::string_view line);  // false: error
  void end_of_head();
  void keep(std::string_view part);
  void begin();

  std::string line_;
  Step step_ = Step::head;
  int status_ = 0;
  bool closes_ = false;
  bool chunked_ = false;
  bool has_length_ = false;
  uint64_t left_ = 0;
  uint64_t retry_after_ = 0;
  size_t head_size_ = 0;
  std::string body_;
  std::string_view error_;
};

}  // namespace impulse::ecinject
