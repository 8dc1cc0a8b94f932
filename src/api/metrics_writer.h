// MetricsWriter: numbers as Prometheus collects them, in its text format 0.0.4
// or as OpenMetrics 1.0. A family at a time, each with its samples behind it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace impulse::api {

enum class MetricsFormat : uint8_t { text, openmetrics };

// By the field Accept; what it does not name is text. OpenMetrics only where it
// is asked for in its version 1, and no less than text is.
MetricsFormat negotiate_metrics(std::string_view accept);
std::string_view content_type(MetricsFormat format);

class MetricsWriter {
 public:
  enum class Type : uint8_t { counter, gauge };
  using Label = std::pair<std::string_view, std::string_view>;  // name, value

  explicit MetricsWriter(MetricsFormat format) : format_(format) {}

  // Names are letters, digits and '_'; a counter's is without "_total". Each name once.
  void family(std::string_view name, Type type, std::string_view help);
  // Of the family that was begun last. Values may be any bytes: what is not
  // UTF-8 is shown escaped. No two of a family have the same labels.
  void sample(std::initializer_list<Label> labels, int64_t value);
  void sample(int64_t value) { sample({}, value); }
  void seconds(int64_t microseconds);  // with six decimals

  // All of it; the writer is done.
  std::string finish();

 private:
  void begin_sample(std::span<const Label> labels);

  const MetricsFormat format_;
  std::string name_;  // of the present samples
  std::string text_;
};

}  // namespace impulse::api
