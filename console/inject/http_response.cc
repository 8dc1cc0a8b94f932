#include "console/inject/http_response.h"

#include "base/text.h"
#include "http/syntax.h"

#include <algorithm>

namespace impulse::ecinject {

namespace {

constexpr size_t max_head = 65536;
constexpr uint64_t longest_retry = 3600;
constexpr size_t max_body = size_t{4} << 20;  // kept; more is read and thrown away

}  // namespace

void HttpResponseReader::begin() {
  step_ = Step::head;
  status_ = 0;
  closes_ = chunked_ = has_length_ = false;
  left_ = retry_after_ = 0;
  head_size_ = 0;
  body_.clear();
}

void HttpResponseReader::keep(std::string_view part) {
  body_ += part.substr(0, std::min(part.size(), max_body - std::min(max_body, body_.size())));
}

bool HttpResponseReader::take(std::string_view& bytes) {
  if (step_ == Step::done) begin();
  while (error_.empty()) {
    if (step_ == Step::done) return true;
    if (bytes.empty()) return false;
    if (step_ == Step::to_end) {
      keep(bytes);
      bytes = {};
      return false;
    }
    if (step_ == Step::sized || step_ == Step::chunk) {
      const size_t count = static_cast<size_t>(std::min<uint64_t>(left_, bytes.size()));
      keep(bytes.substr(0, count));
      bytes.remove_prefix(count);
      left_ -= count;
      if (left_ == 0) step_ = step_ == Step::sized ? Step::done : Step::chunk_end;
      continue;
    }
    const size_t newline = bytes.find('\n');
    const size_t count = newline == std::string_view::npos ? bytes.size() : newline + 1;
    line_ += bytes.substr(0, count);
    bytes.remove_prefix(count);
    head_size_ += count;
    if (head_size_ > max_head) {
      error_ = "the head of an answer is too long";
      break;
    }
    if (newline == std::string_view::npos) return false;
    std::string_view line = line_;
    line.remove_suffix(line.ends_with("\r\n") ? 2 : 1);
    if (!on_line(line) && error_.empty()) error_ = "what came is no answer of HTTP/1";
    line_.clear();
  }
  return false;
}

bool HttpResponseReader::on_line(std::string_view line) {
  switch (step_) {
    case Step::head: {
      if (line.size() < 12 || !line.starts_with("HTTP/1.") || line[8] != ' ') return false;
      const auto code = parse_unsigned(line.substr(9, 3), 599);
      if (!code || *code < 100 || (line.size() > 12 && line[12] != ' ')) return false;
      status_ = static_cast<int>(*code);
      closes_ = line[7] == '0';
      step_ = Step::fields;
      return true;
    }
    case Step::fields: {
      if (line.empty()) {
        end_of_head();
        return true;
      }
      const auto field = http::field_line(line);
      if (!field) return false;
      if (iequals(field->name, "Content-Length")) {
        const auto length = http::decimal(field->value);
        if (!length || (has_length_ && *length != left_)) return false;
        has_length_ = true;
        left_ = *length;
      } else if (iequals(field->name, "Transfer-Encoding")) {
        chunked_ = iequals(field->value, "chunked");
        if (!chunked_) return false;
      } else if (iequals(field->name, "Connection")) {
        closes_ |= iequals(field->value, "close");
      } else if (iequals(field->name, "Retry-After")) {
        retry_after_ = std::min<uint64_t>(longest_retry, http::decimal(field->value).value_or(0));
      }
      return true;
    }
    case Step::chunk_line: {
      const auto size = http::chunk_size(line);
      if (!size) return false;
      left_ = *size;
      head_size_ = 0;
      step_ = left_ == 0 ? Step::trailers : Step::chunk;
      return true;
    }
    case Step::chunk_end:
      step_ = Step::chunk_line;
      return line.empty();
    case Step::trailers:
      if (line.empty()) step_ = Step::done;
      return true;
    case Step::sized:
    case Step::chunk:
    case Step::to_end:
    case Step::done:
      break;
  }
  return false;
}

void HttpResponseReader::end_of_head() {
  head_size_ = 0;
  if (status_ < 200) {  // 100 Continue: the answer comes yet
    begin();
  } else if (status_ == 204 || status_ == 304) {
    step_ = Step::done;
  } else if (chunked_) {
    step_ = Step::chunk_line;
  } else if (has_length_) {
    step_ = left_ == 0 ? Step::done : Step::sized;
  } else {
    closes_ = true;
    step_ = Step::to_end;
  }
}

bool HttpResponseReader::finish() {
  if (step_ != Step::to_end) return false;
  step_ = Step::done;
  return true;
}

}  // namespace impulse::ecinject
