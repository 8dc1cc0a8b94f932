#include "console/inject/distribution.h"

#include "base/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace impulse::ecinject {

namespace {

constexpr size_t max_values = 10000;

Result<double> parse_positive(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value) || value <= 0)
    return fail(Errc::invalid, "a number above 0 is expected, not '{}'", escape_line(text, 64));
  return value;
}

}  // namespace

Result<uint64_t> parse_quantity(std::string_view text) {
  std::string_view digits = text;
  unsigned shift = 0;
  if (!digits.empty()) {
    const char unit = to_lower(digits.back());
    shift = unit == 'k' ? 10 : unit == 'm' ? 20 : unit == 'g' ? 30 : 0;
    if (shift != 0) digits.remove_suffix(1);
  }
  const auto number = parse_unsigned(digits, UINT64_MAX >> shift);
  if (!number)
    return fail(Errc::invalid, "a number such as 500, 10k or 2M is expected, not '{}'", escape_line(text, 64));
  return *number << shift;
}

void Weights::add(double weight) { sums_.push_back(weight + (sums_.empty() ? 0 : sums_.back())); }

size_t Weights::draw(Random& random) const {
  const double where = random.unit() * sums_.back();
  const auto found = std::upper_bound(sums_.begin(), sums_.end(), where);
  return std::min(static_cast<size_t>(found - sums_.begin()), sums_.size() - 1);
}

Distribution Distribution::fixed(uint64_t value) {
  Distribution made;
  made.low_ = made.high_ = value;
  return made;
}

Result<Distribution> Distribution::parse(std::string_view text, uint64_t least, uint64_t most) {
  Distribution made;
  const auto value = [&](std::string_view part) -> Result<uint64_t> {
    auto number = parse_quantity(part);
    if (number && (*number < least || *number > most))
      return fail(Errc::invalid, "{} is out of range: {} to {}", escape_line(part, 64), least, most);
    return number;
  };
  if (istarts_with(text, "lognormal:")) {
    const auto parts = split(text, ':');
    if (parts.size() != 3) return fail(Errc::invalid, "lognormal:MEDIAN:SIGMA is expected");
    const auto median = value(parts[1]);
    if (!median) return std::unexpected(median.error());
    const auto sigma = parse_positive(parts[2]);
    if (!sigma) return std::unexpected(sigma.error());
    if (*sigma > 10) return fail(Errc::invalid, "sigma is out of range: at most 10");
    made.kind_ = Kind::lognormal;
    made.median_ = static_cast<double>(*median);
    made.sigma_ = *sigma;
    made.low_ = least;
    made.high_ = most;
    return made;
  }
  if (text.find(':') != std::string_view::npos) {
    made.kind_ = Kind::weighted;
    for (const std::string_view pair : split(text, ',')) {
      const auto parts = split(pair, ':');
      if (parts.size() != 2) return fail(Errc::invalid, "VALUE:WEIGHT is expected, not '{}'", escape_line(pair, 64));
      const auto number = value(parts[0]);
      if (!number) return std::unexpected(number.error());
      const auto weight = parse_positive(parts[1]);
      if (!weight) return std::unexpected(weight.error());
      made.values_.push_back(*number);
      made.weights_.add(*weight);
    }
    if (made.values_.size() > max_values) return fail(Errc::invalid, "more than {} values", max_values);
    return made;
  }
  if (const size_t dash = text.find('-'); dash != std::string_view::npos) {
    const auto low = value(text.substr(0, dash));
    if (!low) return std::unexpected(low.error());
    const auto high = value(text.substr(dash + 1));
    if (!high) return std::unexpected(high.error());
    if (*low > *high) return fail(Errc::invalid, "the range '{}' is upside down", escape_line(text, 64));
    made.kind_ = Kind::uniform;
    made.low_ = *low;
    made.high_ = *high;
    return made;
  }
  const auto number = value(text);
  if (!number) return std::unexpected(number.error());
  return fixed(*number);
}

uint64_t Distribution::draw(Random& random) const {
  switch (kind_) {
    case Kind::fixed:
      break;
    case Kind::uniform:
      return low_ + random.below(high_ - low_ + 1);
    case Kind::lognormal: {
      const double drawn = std::round(median_ * std::exp(sigma_ * random.normal()));
      return static_cast<uint64_t>(std::clamp(drawn, static_cast<double>(low_), static_cast<double>(high_)));
    }
    case Kind::weighted:
      return values_[weights_.draw(random)];
  }
  return low_;
}

uint64_t Distribution::largest() const {
  return kind_ == Kind::weighted ? *std::max_element(values_.begin(), values_.end()) : high_;
}

}  // namespace impulse::ecinject
