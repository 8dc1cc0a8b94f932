#include "api/metrics_writer.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace impulse::api {

namespace {

// Thousandths, 0 to 1000, as RFC 9110 writes them; what is none counts as 0.
unsigned quality(std::string_view text) {
  const std::string_view whole = text.substr(0, text.find('.'));
  if (text.size() > 5 || (whole != "0" && whole != "1")) return 0;
  unsigned thousandths = whole == "1" ? 1000 : 0;
  unsigned place = 100;
  for (const char c : text.substr(std::min(text.size(), whole.size() + 1))) {
    if (!is_digit(c)) return 0;
    thousandths += place * static_cast<unsigned>(c - '0');
    place /= 10;
  }
  return thousandths <= 1000 ? thousandths : 0;
}

void escape(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\n')
      out += "\\n";
    else if (c == '"' && quotes)
      out += "\\\"";
    else
      out += c;
  }
}

}  // namespace

MetricsFormat negotiate_metrics(std::string_view accept) {
  unsigned text = 0;
  unsigned openmetrics = 0;
  for (const std::string_view range : split(accept, ',')) {
    const auto parts = split(range, ';');
    const std::string_view type = trim(parts[0]);
    unsigned q = 1000;
    bool version_1 = true;
    for (size_t i = 1; i < parts.size(); ++i) {
      const size_t equal = std::min(parts[i].find('='), parts[i].size());
      const std::string_view key = trim(parts[i].substr(0, equal));
      const std::string_view value = trim(parts[i].substr(std::min(equal + 1, parts[i].size())));
      if (iequals(key, "q")) q = quality(value);
      if (iequals(key, "version")) version_1 = value.starts_with("1.") || value == "\"1.0.0\"" || value == "1";
    }
    if (iequals(type, "application/openmetrics-text") && version_1) openmetrics = std::max(openmetrics, q);
    if (iequals(type, "text/plain") || iequals(type, "text/*") || type == "*/*") text = std::max(text, q);
  }
  return openmetrics > 0 && openmetrics >= text ? MetricsFormat::openmetrics : MetricsFormat::text;
}

std::string_view content_type(MetricsFormat format) {
  return format == MetricsFormat::openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                              : "text/plain; version=0.0.4; charset=utf-8";
}

void MetricsWriter::family(std::string_view name, Type type, std::string_view help) {
  // The text format names the samples, OpenMetrics what they are of.
  const bool total = type == Type::counter;
  name_ = fmt::format("{}{}", name, total ? "_total" : "");
  const std::string_view shown = format_ == MetricsFormat::openmetrics ? name : std::string_view(name_);
  text_ += fmt::format("# HELP {} ", shown);
  escape(text_, help, format_ == MetricsFormat::openmetrics);
  text_ += fmt::format("\n# TYPE {} {}\n", shown, total ? "counter" : "gauge");
}

void MetricsWriter::begin_sample(std::span<const Label> labels) {
  text_ += name_;
  char before = '{';
  for (const auto& [name, value] : labels) {
    text_ += before;
    text_ += name;
    text_ += "=\"";
    escape(text_, is_utf8(value) ? std::string(value) : escape_line(value), true);
    text_ += '"';
    before = ',';
  }
  if (!labels.empty()) text_ += '}';
  text_ += ' ';
}

void MetricsWriter::sample(std::initializer_list<Label> labels, int64_t value) {
  begin_sample(labels);
  fmt::format_to(std::back_inserter(text_), "{}\n", value);
}

void MetricsWriter::seconds(int64_t microseconds) {
  begin_sample({});
  fmt::format_to(std::back_inserter(text_), "{}.{:06}\n", microseconds / 1'000'000, microseconds % 1'000'000);
}

std::string MetricsWriter::finish() {
  if (format_ == MetricsFormat::openmetrics) text_ += "# EOF\n";
  return std::move(text_);
}

}  // namespace impulse::api
