// listener stop, start, restart, delete: what is done about sockets by hand.
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"

namespace impulse::control {

namespace {

struct Wish {
  ListenTarget target;
  config::ScopePath path;
};

// LISTENER [LISTEN]; the word "listen" may stand before the second, as in `config set`.
std::expected<Wish, Answer> read_wish(const Invocation& call, std::string_view name) {
  auto words = call.words;
  for (const config::RawValue& word : words)
    if (word.kind != config::RawValue::Kind::word && word.kind != config::RawValue::Kind::string)
      return std::unexpected(placed_error(Code::usage, "control-usage", word, "names are expected, not a list"));
  if (words.empty()) return std::unexpected(usage(name, "a listener is expected"));
  const config::ScopeDef* scope = config::find_scope(words.front().text);
  if (scope == nullptr || (config::scope_def(config::ScopeKind::listen).parents & config::in(scope->kind)) == 0)
    return std::unexpected(
        placed_error(Code::not_found, "listener-unknown", words.front(),
                     fmt::format("no listener is called '{}'", escape_line(words.front().text, 64))));
  Wish wish;
  wish.target.listener = scope->kind;
  wish.path = {{scope->kind, {}}};
  words = words.subspan(1);
  if (words.size() > 1 && iequals(words.front().text, "listen")) words = words.subspan(1);
  if (words.empty()) return wish;
  if (words.size() > 1)
    return std::unexpected(
        placed_error(Code::usage, "control-usage", words[1], "nothing is expected behind the Listen"));
  const auto endpoint = Endpoint::parse(words.front().text);
  if (!endpoint)
    return std::unexpected(placed_error(Code::usage, "control-usage", words.front(), endpoint.error().message));
  wish.target.endpoint = *endpoint;
  wish.path.push_back({config::ScopeKind::listen, endpoint->to_string()});
  return wish;
}

std::string_view past(ListenAct act) {
  switch (act) {
    case ListenAct::stop:
      return "stopped";
    case ListenAct::start:
      return "started";
    case ListenAct::restart:
      break;
  }
  return "restarted";
}

Answer act_on(const Invocation& call, ListenAct act, std::string_view name) {
  auto wish = read_wish(call, name);
  if (!wish) return std::move(wish.error());
  auto changed = call.system.act_on_listens(act, wish->target);
  if (!changed) {
    const bool missing = changed.error().code == Errc::not_found;
    const Code code = missing ? Code::not_found : changed.error().code == Errc::busy ? Code::busy : Code::failed;
    return Answer::error(code, missing ? "listener-unknown" : "listener-refused",
                         fmt::format("{}: {}", config::to_string(wish->path), changed.error().message));
  }
  Status status;
  if (changed->empty()) status.word = "unchanged";
  status.with("listens", changed->size());
  const auto held = std::make_shared<const std::vector<Endpoint>>(std::move(*changed));
  return {std::move(status), each(held->size(), [held, act, listener = config::scope_def(wish->target.listener).name](
                                                    Writer& writer, size_t i) {
            const std::string endpoint = (*held)[i].to_string();
            if (writer.json())
              writer.document({{"listener", listener}, {"listen", endpoint}, {"change", past(act)}});
            else
              writer.text(fmt::format("{} {} {}", listener, field(endpoint), past(act)));
          })};
}

}  // namespace

Answer listener_stop(const Invocation& call) { return act_on(call, ListenAct::stop, "listener stop"); }
Answer listener_start(const Invocation& call) { return act_on(call, ListenAct::start, "listener start"); }
Answer listener_restart(const Invocation& call) { return act_on(call, ListenAct::restart, "listener restart"); }

// The same as `config unset` of the scope, as one commit.
Answer listener_delete(const Invocation& call) {
  auto wish = read_wish(call, "listener delete");
  if (!wish) return std::move(wish.error());
  if (!config::find_scope(call.system.engine().current()->root(), wish->path))
    return Answer::error(Code::not_found, "listener-unknown",
                         fmt::format("there is no {}", config::to_string(wish->path)));
  return report_answer(call.system.engine().unset(wish->path, {}, call.source), call);
}

}  // namespace impulse::control
