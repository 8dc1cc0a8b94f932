// FakeNames: a DNS and routes that tests fill in.
#pragma once

#include "control/names.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace impulse::control::test {

class FakeNames : public Names {
 public:
  DomainRoute route(std::string_view domain) override {
    const auto found = routes.find(domain);
    if (found != routes.end()) return found->second;
    DomainRoute none;
    none.domain = domain;
    none.method = "esmtp";
    none.looked_up = true;
    return none;
  }
  size_t refresh(const std::string& domain) override {
    refreshed.push_back(domain);
    return refreshable;
  }
  dns::AnswerPtr remembered(std::string_view name, dns::Type type) override {
    for (const dns::Remembered& each : answers)
      if (each.name == name && each.type == type) return each.answer;
    return nullptr;
  }
  void submit(std::string_view name, dns::Type type) override { submitted.emplace_back(name, type); }
  std::vector<dns::Remembered> list(size_t limit) override {
    return {answers.begin(), answers.begin() + static_cast<std::ptrdiff_t>(std::min(limit, answers.size()))};
  }
  size_t flush(std::string_view name) override {
    return std::erase_if(answers, [&](const dns::Remembered& each) { return name.empty() || each.name == name; });
  }
  dns::Statistics statistics() override { return counted; }

  std::map<std::string, DomainRoute, std::less<>> routes;
  std::vector<dns::Remembered> answers;
  std::vector<std::string> refreshed;
  size_t refreshable = 1;
  std::vector<std::pair<std::string, dns::Type>> submitted;
  dns::Statistics counted;
};

}  // namespace impulse::control::test
