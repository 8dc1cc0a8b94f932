// Distribution: how large messages are, or how many recipients they have.
//
//   10k                    all the same
//   1k-100k                every value between them equally likely
//   lognormal:8k:1.2       median and sigma: few large ones, as mail is
//   1k:80,10k:15,100k:5    some values, by weight
#pragma once

#include "base/result.h"
#include "console/inject/random.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace impulse::ecinject {

// "10k", "2M", "1g": powers of 1024.
Result<uint64_t> parse_quantity(std::string_view text);

// Something one of which is chosen by weight.
class Weights {
 public:
  void add(double weight);            // above 0
  size_t draw(Random& random) const;  // which
  size_t size() const { return sums_.size(); }

 private:
  std::vector<double> sums_;
};

class Distribution {
 public:
  static Distribution fixed(uint64_t value);
  // Values have to be in [least, most].
  static Result<Distribution> parse(std::string_view text, uint64_t least, uint64_t most);

  uint64_t draw(Random& random) const;  // in [least, most]
  uint64_t largest() const;             // that draw() can give

 private:
  enum class Kind : uint8_t { fixed, uniform, lognormal, weighted };
  Kind kind_ = Kind::fixed;
  uint64_t low_ = 1;   // fixed: it; lognormal: least
  uint64_t high_ = 1;  // lognormal: most
  double median_ = 1;
  double sigma_ = 0;
  std::vector<uint64_t> values_;
  Weights weights_;
};

}  // namespace impulse::ecinject
