#include "http/head_reader.h"

#include "base/text.h"

#include <algorithm>

namespace impulse::http {

namespace {

// Of a reader that waits for the next request, bytes.
constexpr size_t kept_capacity = 4096;

}  // namespace

std::optional<RequestLine> request_line(std::string_view line) {
  const size_t first = line.find(' ');
  if (first == std::string_view::npos) return std::nullopt;
  const size_t second = line.find(' ', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  RequestLine read;
  read.method = line.substr(0, first);
  read.target = line.substr(first + 1, second - first - 1);
  const std::string_view version = line.substr(second + 1);
  const auto visible = [](char c) { return c > ' ' && c < 0x7F; };
  if (!is_token(read.method) || read.target.empty() || !std::ranges::all_of(read.target, visible)) return std::nullopt;
  if (version.size() != 8 || !version.starts_with("HTTP/") || !is_digit(version[5]) || version[6] != '.' ||
      !is_digit(version[7]))
    return std::nullopt;
  read.major = version[5] - '0';
  read.minor = version[7] - '0';
  return read;
}

size_t HeadReader::feed(std::string_view bytes, const Policy& policy) {
  size_t used = 0;
  while (used < bytes.size() && !done_ && !fault_) {
    const bool first = lines_.empty();
    // Of the header's limit what the lines so far have left.
    const size_t before = first ? 0 : text_.size() - guard_.length() - (lines_.front().second + 2);
    const size_t limit = first ? policy.max_request_line : policy.max_header_size;
    const LineGuard::Result read = guard_.feed(bytes.substr(used), limit - std::min(limit, before));
    text_ += bytes.substr(used, read.used);
    used += read.used;
    if (read.verdict == LineGuard::Verdict::line)
      end_of_line(policy);
    else if (read.verdict != LineGuard::Verdict::more)
      broken(read.verdict);
  }
  return used;
}

void HeadReader::end_of_line(const Policy& policy) {
  const size_t begin = text_.size() - guard_.length();
  const size_t size = guard_.length() - 2;
  guard_.next();
  const std::string_view line = std::string_view(text_).substr(begin, size);
  if (lines_.empty()) {
    if (line.empty() && !skipped_) {
      skipped_ = true;
      text_.clear();
      return;
    }
    if (!request_line(line)) {
      fault_ = Fault{.status = 400, .cause = "request_line", .message = "That is no request line"};
      return;
    }
  } else if (line.empty()) {
    done_ = true;
    return;
  } else if (!field_line(line)) {
    fault_ = Fault{.status = 400, .cause = "header", .message = "That is no header line"};
    return;
  } else if (lines_.size() > policy.max_header_fields) {
    fault_ = Fault{.status = 431, .cause = "header_size", .message = "There are too many header fields"};
    return;
  }
  lines_.emplace_back(begin, size);
}

void HeadReader::broken(LineGuard::Verdict verdict) {
  const bool first = lines_.empty();
  if (verdict != LineGuard::Verdict::length)
    fault_ =
        Fault{.status = 400, .cause = first ? "request_line" : "header", .message = std::string(line_fault(verdict))};
  else if (first)
    fault_ = Fault{.status = 414, .cause = "request_line_length", .message = "The request line is too long"};
  else
    fault_ = Fault{.status = 431, .cause = "header_size", .message = "The header is too large"};
}

std::string_view HeadReader::method() const { return lines_.empty() ? std::string_view() : line().method; }

RequestLine HeadReader::line() const {
  return request_line(std::string_view(text_).substr(lines_[0].first, lines_[0].second)).value_or(RequestLine{});
}

std::vector<FieldLine> HeadReader::fields() const {
  std::vector<FieldLine> fields;
  fields.reserve(lines_.size() - 1);
  for (size_t i = 1; i < lines_.size(); ++i)
    if (const auto field = field_line(std::string_view(text_).substr(lines_[i].first, lines_[i].second)))
      fields.push_back(*field);
  return fields;
}

void HeadReader::reset() {
  text_.clear();
  if (text_.capacity() > kept_capacity) text_.shrink_to_fit();
  lines_.clear();
  guard_ = {};
  skipped_ = done_ = false;
  fault_.reset();
}

}  // namespace impulse::http
