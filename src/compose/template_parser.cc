#include "compose/template_parser.h"

#include "base/text.h"

#include <algorithm>
#include <utility>

namespace impulse::compose {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// Where `what`, in lower case, stands in `text` in any case.
size_t find_any_case(std::string_view text, std::string_view what, size_t from) {
  for (size_t at = text.find('<', from); at != std::string_view::npos; at = text.find('<', at + 1))
    if (istarts_with(text.substr(at), what)) return at;
  return std::string_view::npos;
}

}  // namespace

std::expected<void, Problem> TemplateParser::parse() {
  switch (document_.dialect) {
    case Dialect::none:
      text(0, source_.size());
      break;
    case Dialect::sparkpost:
      sparkpost();
      break;
    case Dialect::jinja:
      jinja();
      break;
  }
  if (result_ && !open_.empty())
    fail(open_.back().at, open_.back().kind == Node::Kind::loop ? "this loop has no end" : "this condition has no end");
  return result_;
}

void TemplateParser::fail(size_t at, std::string reason) {
  if (result_) result_ = std::unexpected(Problem{.at = at, .reason = std::move(reason)});
  position_ = source_.size();
}

Nodes& TemplateParser::body() { return open_.empty() ? document_.nodes : open_.back().branches.back().body; }

void TemplateParser::text(size_t from, size_t to) {
  if (from >= to) return;
  const std::string_view what = source_.substr(from, to - from);
  if (document_.dialect == Dialect::sparkpost) link_.follow(what);
  Node node;
  node.at = from;
  node.text = what;
  body().push_back(std::move(node));
}

// Takes the tag's end; false: something was wrong within it.
bool TemplateParser::finish(ExpressionParser& tag) {
  tag.close();
  if (tag.problem()) {
    fail(tag.problem()->at, tag.problem()->reason);
    return false;
  }
  return true;
}

Node TemplateParser::output(size_t at, ExpressionParser& tag, bool raw) {
  Node node;
  node.kind = Node::Kind::output;
  node.at = at;
  node.raw = raw;
  if (document_.dialect == Dialect::sparkpost && tag.call("render_dynamic_content")) {
    node.kind = Node::Kind::dynamic;
    node.expression = tag.expression();
    // Its text comes with a value, and could bring line ends.
    if (document_.context == Context::header || document_.context == Context::section)
      tag.fail("dynamic content cannot stand in a header field");
    if (!tag.problem() && (node.expression.op != Op::path || node.expression.steps.size() < 2))
      tag.fail("render_dynamic_content takes the name of a member of dynamic_html or dynamic_plain");
    tag.expect(")");
  } else {
    node.expression = tag.expression();
  }
  return node;
}

// Opens, continues or ends a block.
void TemplateParser::apply(Statement statement) {
  using Kind = Statement::Kind;
  const size_t at = statement.at;
  Node* block = open_.empty() ? nullptr : &open_.back();
  const bool over = block != nullptr && block->branches.back().otherwise;
  switch (statement.kind) {
    case Kind::condition:
    case Kind::loop: {
      if (open_.size() >= size_t{Limits::nesting}) return fail(at, "blocks are nested too deeply");
      Node node;
      node.at = at;
      Branch& branch = node.branches.emplace_back();
      node.kind = statement.kind == Kind::loop ? Node::Kind::loop : Node::Kind::choice;
      node.text = statement.variable;
      (statement.kind == Kind::loop ? node.expression : branch.condition) = std::move(statement.expression);
      open_.push_back(std::move(node));
      return;
    }
    case Kind::otherwise_if: {
      if (block == nullptr || over || block->kind != Node::Kind::choice)
        return fail(at, "there is no condition that this could belong to");
      block->branches.emplace_back().condition = std::move(statement.expression);
      return;
    }
    case Kind::otherwise:
      if (block == nullptr || over || (block->kind == Node::Kind::loop && document_.dialect != Dialect::jinja))
        return fail(at, "there is no condition that this else could belong to");
      block->branches.emplace_back().otherwise = true;
      return;
    case Kind::end:
    case Kind::end_condition:
    case Kind::end_loop:
      if (block == nullptr || (statement.kind == Kind::end_condition && block->kind != Node::Kind::choice) ||
          (statement.kind == Kind::end_loop && block->kind != Node::Kind::loop))
        return fail(at, "there is nothing that this could end");
      Node node = std::move(*block);
      open_.pop_back();
      body().push_back(std::move(node));
  }
}

void TemplateParser::sparkpost() {
  while (result_) {
    const size_t at = source_.find("{{", position_);
    if (at == std::string_view::npos) return text(position_, source_.size());
    if (const size_t end = kept_until(at); end > at) {
      text(position_, end);
      position_ = end;
    } else {
      sparkpost_tag(at);
    }
  }
}

// AMP's own templates are filled where the message is read.
size_t TemplateParser::kept_until(size_t at) {
  if (document_.context != Context::amp) return 0;
  while (kept_end_ <= at && kept_begin_ < at) {
    const size_t begin = find_any_case(source_, "<template", std::max(kept_end_, kept_begin_));
    const size_t tag = source_.find('>', begin);
    if (begin == std::string_view::npos || tag == std::string_view::npos) {
      kept_begin_ = kept_end_ = source_.size();
      break;
    }
    kept_begin_ = kept_end_ = tag + 1;
    if (lower(source_.substr(begin, tag - begin)).contains("amp-mustache"))
      kept_end_ = std::min(find_any_case(source_, "</template", tag), source_.size());
  }
  return kept_begin_ <= at ? kept_end_ : 0;
}

void TemplateParser::sparkpost_tag(size_t at) {
  const bool raw = source_.substr(at).starts_with("{{{");
  ExpressionParser tag(document_, at + (raw ? 3 : 2), raw ? "}}}" : "}}");
  if (!raw && (tag.comes("if") || tag.comes("elseif") || tag.comes("else") || tag.comes("each") || tag.comes("end"))) {
    Statement statement = sparkpost_statement(at, tag);
    if (!finish(tag)) return;
    // One that has its line for itself leaves no empty line behind.
    size_t to = at;
    size_t next = tag.position();
    alone(at, tag.position(), to, next);
    text(position_, to);
    position_ = next;
    return apply(std::move(statement));
  }
  Node node = output(at, tag, raw);
  if (!finish(tag)) return;
  text(position_, at);
  position_ = tag.position();
  node.url = link_.inside();
  body().push_back(std::move(node));
}

// Nothing but white space stands around the tag on its line: from `line` to
// in front of `rest` it goes.
bool TemplateParser::alone(size_t at, size_t end, size_t& line, size_t& rest) const {
  size_t from = at;
  while (from > position_ && is_blank(source_[from - 1])) --from;
  if (from != 0 && source_[from - 1] != '\n') return false;
  size_t to = end;
  while (to < source_.size() && is_blank(source_[to])) ++to;
  if (source_.substr(to).starts_with("\r\n")) ++to;
  if (to < source_.size() && source_[to++] != '\n') return false;
  line = from;
  rest = to;
  return true;
}

TemplateParser::Statement TemplateParser::sparkpost_statement(size_t at, ExpressionParser& tag) {
  using Kind = Statement::Kind;
  Statement out{.at = at};
  const bool begins = tag.word("if");
  if (begins || tag.word("elseif")) {
    out.kind = begins ? Kind::condition : Kind::otherwise_if;
    out.expression = tag.expression();
    tag.word("then");
  } else if (tag.word("else")) {
    out.kind = Kind::otherwise;
    if (tag.comes("if")) tag.fail("write elseif");
  } else if (tag.word("each")) {
    out.kind = Kind::loop;
    out.expression = tag.expression();
    if (!tag.problem() && out.expression.op != Op::path) tag.fail("each takes the name of a list");
    if (!out.expression.steps.empty()) out.variable = out.expression.steps.back().name;
  } else {
    tag.word("end");
  }
  return out;
}

void TemplateParser::jinja() {
  while (result_) {
    size_t at = source_.find('{', position_);
    while (at != std::string_view::npos &&
           (at + 1 == source_.size() || !std::string_view("{%#").contains(source_[at + 1])))
      at = source_.find('{', at + 1);
    if (at == std::string_view::npos) return text(position_, source_.size());
    // "{%-" takes the white space in front of it away.
    size_t to = at;
    if (source_.substr(at + 2).starts_with('-'))
      while (to > position_ && is_space(source_[to - 1])) --to;
    text(position_, to);
    position_ = at;
    if (source_[at + 1] == '#')
      jinja_comment(at);
    else
      jinja_tag(at);
  }
}

void TemplateParser::skip_space() {
  while (position_ < source_.size() && is_space(source_[position_])) ++position_;
}

void TemplateParser::jinja_comment(size_t at) {
  const size_t end = source_.find("#}", at + 2);
  if (end == std::string_view::npos) return fail(at, "the comment does not end: expected #}");
  position_ = end + 2;
  if (source_[end - 1] == '-') skip_space();
}

void TemplateParser::jinja_tag(size_t at) {
  const bool is_output = source_[at + 1] == '{';
  const size_t begin = at + (source_.substr(at + 2).starts_with('-') ? 3 : 2);
  ExpressionParser tag(document_, begin, is_output ? "}}" : "%}");
  if (is_output) {
    Node node = output(at, tag, false);
    if (!finish(tag)) return;
    body().push_back(std::move(node));
  } else if (tag.word("raw")) {
    return jinja_raw(tag);
  } else {
    Statement statement = jinja_statement(at, tag);
    if (!finish(tag)) return;
    apply(std::move(statement));
    if (!result_) return;
  }
  position_ = tag.position();
  if (tag.trims()) skip_space();
}

// {% raw %} … {% endraw %}: text, whatever stands in it.
void TemplateParser::jinja_raw(ExpressionParser& tag) {
  if (!finish(tag)) return;
  const size_t from = tag.position();
  for (size_t at = source_.find("{%", from); at != std::string_view::npos; at = source_.find("{%", at + 1)) {
    const size_t begin = at + (source_.substr(at + 2).starts_with('-') ? 3 : 2);
    size_t name = begin;
    while (name < source_.size() && is_space(source_[name])) ++name;
    if (!source_.substr(name).starts_with("endraw")) continue;
    ExpressionParser last(document_, name + 6, "%}");
    if (!finish(last)) return;
    text(from, at);
    position_ = last.position();
    return;
  }
  fail(position_, "this raw has no endraw");
}

TemplateParser::Statement TemplateParser::jinja_statement(size_t at, ExpressionParser& tag) {
  using Kind = Statement::Kind;
  Statement out{.at = at};
  const bool begins = tag.word("if");
  if (begins || tag.word("elif")) {
    out.kind = begins ? Kind::condition : Kind::otherwise_if;
    out.expression = tag.expression();
  } else if (tag.word("else")) {
    out.kind = Kind::otherwise;
  } else if (tag.word("for")) {
    out.kind = Kind::loop;
    out.variable = tag.name();
    if (!tag.problem() && !tag.word("in")) tag.fail("expected in");
    out.expression = tag.expression();
    if (!tag.problem() && out.expression.op != Op::path) tag.fail("for takes the name of a list");
  } else if (tag.word("endif")) {
    out.kind = Kind::end_condition;
  } else if (tag.word("endfor")) {
    out.kind = Kind::end_loop;
  } else {
    tag.fail("only if, elif, else, endif, for, endfor and raw are known here");
  }
  return out;
}

}  // namespace impulse::compose
