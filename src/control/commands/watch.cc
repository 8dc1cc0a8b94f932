// watch: to be told what happens, without asking.
#include "control/watch.h"

#include "base/text.h"
#include "config/keys.h"
#include "config/value.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"

namespace impulse::control {

namespace {

Result<Duration> read_interval(const config::RawValue& word) {
  config::OptionDef any = config::definition(config::key::timeout);  // for its type
  any.min = 0;
  any.max = INT64_MAX;
  const auto value = config::convert(word, any);
  if (!value) return std::unexpected(value.error());
  const auto interval = std::get<Duration>(*value);
  if (interval < Watch::shortest_interval || interval > Watch::longest_interval)
    return fail(Errc::invalid, "an interval is from 100ms to 1h");
  return interval;
}

}  // namespace

Answer watch(const Invocation& call) {
  const auto words = call.words;
  WatchWish wish;
  wish.json = call.json;
  wish.on = !words.empty() && iequals(words[0].text, "on");
  if (words.empty() || (!wish.on && !iequals(words[0].text, "off"))) return usage("watch", "on or off is expected");
  if (words.size() > 1) {
    if (!wish.on || !iequals(words[1].text, "--interval") || words.size() > 3)
      return placed_error(Code::usage, "control-usage", words[1], "only 'on' may be followed, by --interval TIME");
    if (words.size() == 2) return placed_error(Code::usage, "control-usage", words[1], "a time is expected behind it");
    const auto interval = read_interval(words[2]);
    if (!interval) return placed_error(Code::usage, "control-usage", words[2], interval.error().message);
    wish.interval = *interval;
  }
  Answer answer;
  answer.watch = wish;
  return answer;
}

}  // namespace impulse::control
