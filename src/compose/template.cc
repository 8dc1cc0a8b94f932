#include "compose/template.h"

#include "compose/renderer.h"
#include "compose/template_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace impulse::compose {

namespace {

TemplateError located(std::string_view source, Problem problem) {
  TemplateError error;
  error.reason = std::move(problem.reason);
  error.unsafe = problem.unsafe;
  error.too_large = problem.too_large;
  const std::string_view before = source.substr(0, std::min(problem.at, source.size()));
  error.line = 1 + static_cast<size_t>(std::ranges::count(before, '\n'));
  const size_t begin = before.find_last_of('\n') + 1;  // npos + 1 is 0
  error.column = 1 + static_cast<size_t>(std::ranges::count_if(
                         before.substr(begin), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  return error;
}

}  // namespace

std::string TemplateError::to_string() const { return fmt::format("line {}, column {}: {}", line, column, reason); }

std::expected<Template, TemplateError> Template::parse(std::string_view text, Dialect dialect, Context context) {
  auto document = std::make_shared<Document>();
  document->source = text;
  document->dialect = dialect;
  document->context = context;
  if (auto done = TemplateParser(*document).parse(); !done)
    return std::unexpected(located(document->source, std::move(done.error())));
  return Template(std::move(document));
}

bool Template::is_static() const {
  return std::ranges::all_of(document_->nodes, [](const Node& node) { return node.kind == Node::Kind::text; });
}

std::expected<void, TemplateError> Template::render(const Scope& scope, const Limits& limits, Work& work,
                                                    std::string& out) const {
  if (auto done = Renderer(*document_, scope, limits, work, out).run(); !done)
    return std::unexpected(located(document_->source, std::move(done.error())));
  return {};
}

}  // namespace impulse::compose
