// Renderer: fills one template once.
#pragma once

#include "compose/nodes.h"

#include <cstdint>
#include <deque>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::compose {

class Renderer {
 public:
  // All borrowed.
  Renderer(const Document& document, const Scope& scope, const Limits& limits, Work& work, std::string& out)
      : document_(document), scope_(scope), limits_(limits), work_(work), out_(out), begin_(out.size()) {}
  std::expected<void, Problem> run();

 private:
  // A value found, or made.
  struct Found {
    const Value* place = nullptr;  // null: `made`
    Value made{};
    bool safe = false;  // is not to be escaped
    const Value& value() const { return place != nullptr ? *place : made; }
  };
  struct Frame {
    std::string_view name;
    const Value* item;
    size_t index;  // from 0
    size_t size;
  };

  bool nodes(const Nodes& nodes);
  bool output(const Node& node);
  bool dynamic(const Node& node);
  bool choice(const Node& node);
  bool loop(const Node& node);

  Found evaluate(const Expression& expression);
  Found path(const Expression& expression);
  Found local(const Expression& expression, const std::vector<Value>& keys, size_t& used);
  const Value* follow(const Value* from, const Expression& expression, const std::vector<Value>& keys, size_t step);
  const Value* step(const Value& from, const Value& key, size_t at);
  Value key(const Step& step);
  const Value* member(const Value& from, std::string_view name, size_t at);
  bool same(const Value& one, const Value& other, size_t at);
  bool contains(const Value& all, const Value& one, size_t at);
  bool compare(const Expression& expression);
  Found filter(const Expression& expression);
  Found made(std::string text, bool safe = false);
  bool is_true(const Value& value) const;
  std::string_view text_of(const Value& value, size_t at);
  bool spend(size_t at, uint64_t steps, uint64_t bytes = 0);  // false: it was too much
  bool fail(size_t at, std::string reason, bool unsafe = false);
  bool too_large(size_t at);  // false

  const Document& document_;
  const Scope& scope_;
  const Limits& limits_;
  Work& work_;
  std::string& out_;
  size_t begin_;
  std::vector<Frame> frames_;
  std::deque<std::string> strings_;  // of values made while one expression is evaluated
  uint32_t iterations_ = 0;
  std::expected<void, Problem> result_;
};

}  // namespace impulse::compose
