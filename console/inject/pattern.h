// AddressPattern: the addresses of an envelope, as --from and --to write them:
// "user{random}@{domain}".
#pragma once

#include "base/result.h"
#include "console/inject/distribution.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::ecinject {

// What the words in braces stand for.
struct Naming {
  std::vector<std::string> domains;  // {domain}: one of them
  Weights weights;                   // by weight
  uint64_t users = 1'000'000;        // {random}: 0 to users - 1
};

// "a.example", "a.example:80,b.example:20".
Result<> parse_domains(std::string_view text, Naming& naming);

class AddressPattern {
 public:
  // {message}: the message's number from 1, {recipient}: the recipient's within
  // the message, from 1, {random}, {domain}; "{{" is a brace.
  static Result<AddressPattern> parse(std::string_view text);

  void fill(uint64_t index, uint64_t recipient, const Naming& naming, Random& random, std::string& out) const;

 private:
  enum class What : uint8_t { text, message, recipient, random, domain };
  struct Piece {
    What what = What::text;
    std::string text;
  };
  std::vector<Piece> pieces_;
};

}  // namespace impulse::ecinject
