// spool export, spool import, spool_in: messages between the spool, files and
// the queue.
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"
#include "control/commands/queue_words.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace impulse::control {

namespace {

constexpr Duration glance = std::chrono::milliseconds(10);
constexpr int glances_a_line = 200;  // a line of progress every two seconds

// What is said of an export, or an import.
struct Carrying {
  std::string folder;
  bool out = false;
  bool dry_run = false;
  bool remove = false;

  std::string_view done() const { return out ? "exported" : "imported"; }
  std::string_view failed_id() const { return out ? "spool-export-failed" : "spool-import-failed"; }
  std::string_view refused_id() const { return out ? "spool-export-refused" : "spool-import-refused"; }
};

Json document_of(const Carrying& what, const CarryProgress& progress) {
  Json document{{"act", what.out ? "export" : "import"},
                {"folder", what.folder},
                {"dry_run", what.dry_run},
                {"messages", progress.messages},
                {"bytes", progress.bytes},
                {"there", progress.there},
                {"refused", progress.refused}};
  if (what.out) {
    document["in_flight"] = progress.in_flight;
    document["gone"] = progress.gone;
    document["removed"] = progress.removed;
  }
  document["ended"] = progress.ended;
  return document;
}

void say_refusals(Writer& writer, const Carrying& what, const CarryProgress& progress) {
  for (const CarryProgress::Refusal& each : progress.refusals)
    writer.notice(config::Diagnostic::Severity::error, what.refused_id(), each.place, each.text);
}

void say_end(Writer& writer, const Carrying& what, const CarryProgress& progress) {
  if (writer.json()) {
    writer.document(document_of(what, progress));
  } else {
    writer.text(fmt::format("{}{}, {} bytes, {}{} {}{}", what.dry_run ? "[dry-run] " : "",
                            counted(progress.messages, "message"), progress.bytes, what.dry_run ? "would be " : "",
                            what.done(), what.out ? "to " : "from ", field(what.folder)));
    if (what.remove && !what.dry_run) writer.text(fmt::format("{} removed here", counted(progress.removed, "message")));
  }
  if (progress.there > 0)
    writer.remark("spool-already",
                  fmt::format("{} {}", counted(progress.there, "message"),
                              what.out ? "there already, as they are now" : "had been imported before"));
  if (progress.in_flight > 0)
    writer.remark("queue-in-flight",
                  fmt::format("{} being delivered just now: left alone", counted(progress.in_flight, "message")));
  if (progress.gone > 0)
    writer.remark("spool-gone", fmt::format("{} finished meanwhile", counted(progress.gone, "message")));
  if (progress.refused > 0) {
    writer.warning(what.refused_id(), fmt::format("{} not {}", counted(progress.refused, "message"), what.done()));
    writer.fail(Code::failed);
  }
  if (progress.failed) {
    writer.error(what.failed_id(), progress.failed->message);
    writer.fail(code_of(progress.failed->code));
  }
}

Answer follow(std::shared_ptr<CarryErrand> errand, Carrying what) {
  Answer answer;
  answer.lines = [errand = std::move(errand), what = std::move(what), glances = 0,
                  ended = false](Writer& writer) mutable {
    if (ended) return false;
    const CarryProgress progress = errand->progress();
    say_refusals(writer, what, progress);
    ended = progress.ended;
    if (ended) {
      say_end(writer, what, progress);
      return true;
    }
    writer.wait(glance);
    if (++glances % glances_a_line == 0) {
      if (writer.json())
        writer.document(document_of(what, progress));
      else
        writer.text(fmt::format("{} {} so far", counted(progress.messages, "message"), what.done()));
    }
    return true;
  };
  return answer;
}

// Takes a word out of the others. False: it is not there.
bool take_flag(std::vector<config::RawValue>& words, std::string_view flag) {
  const auto is_it = [&](const config::RawValue& word) { return is_plain(word) && iequals(word.text, flag); };
  return std::erase_if(words, is_it) > 0;
}

std::expected<std::string, Answer> take_folder(std::vector<config::RawValue>& words, std::string_view command) {
  if (words.empty()) return std::unexpected(usage(command, "the path of a folder is expected"));
  auto path = read_file_path(words.front());
  if (path) words.erase(words.begin());
  return path;
}

}  // namespace

Answer spool_export(const Invocation& call) {
  constexpr std::string_view command = "spool export";
  std::vector<config::RawValue> words(call.words.begin(), call.words.end());
  auto folder = take_folder(words, command);
  if (!folder) return std::move(folder.error());
  ExportOrder order;
  order.folder = *folder;
  order.remove = take_flag(words, "--remove");
  Invocation rest = call;
  rest.words = words;
  auto read = read_queue_words(rest, command, {std::min<size_t>(plain_words(words).size(), 1)});
  if (!read) return std::move(read.error());
  if (!read->binding.empty())
    return placed_error(Code::usage, "control-usage", words.front(), "mail that goes by a binding is DOMAIN%BINDING");
  if (!read->queues.empty() && read->queues.front() != "all") order.queue = read->queues.front();
  // Who takes the folder for all that was here would lose mail.
  if (const std::string text = call.system.spool().indexing.text; !text.empty())
    return Answer::error(Code::busy, "queue-indexing",
                         fmt::format("still {}: messages would be left out; try again when that is done", text));
  if (!order.queue.empty() && !call.system.queue_domain(order.queue)) return nothing_waits(call.system, order.queue);
  order.sender = std::move(read->sender);
  order.recipient = std::move(read->recipient);
  order.age = read->age;
  order.content = std::move(read->content);
  order.dry_run = read->dry_run;
  Carrying what{order.folder, true, order.dry_run, order.remove};
  return follow(call.system.export_messages(std::move(order)), std::move(what));
}

Answer spool_import(const Invocation& call) {
  constexpr std::string_view command = "spool import";
  std::vector<config::RawValue> words(call.words.begin(), call.words.end());
  auto folder = take_folder(words, command);
  if (!folder) return std::move(folder.error());
  ImportOrder order{*folder, take_flag(words, "--dry-run")};
  if (!words.empty())
    return placed_error(Code::usage, "control-usage", words.front(), "nothing but --dry-run is expected");
  Carrying what{order.folder, false, order.dry_run, false};
  return follow(call.system.import_messages(std::move(order)), std::move(what));
}

Answer spool_in(const Invocation& call) {
  if (call.words.size() != 1) return usage("spool_in", "one message id is expected");
  const auto id = read_message_id(call, call.words.front());
  if (!id) return id.error();
  Answer answer;
  answer.lines = [queued = std::shared_ptr(call.system.spool_in(*id)), name = id->to_string(call.system.node()),
                  said = false](Writer& writer) mutable {
    if (said) return false;
    const Result<bool>* ready = queued->ready();
    if (ready == nullptr) {
      writer.wait(glance);
      return true;
    }
    said = true;
    if (!*ready) {
      const Error& why = ready->error();
      writer.error(why.code == Errc::not_found ? "message-not-found" : "message-unreadable", why.message);
      writer.fail(code_of(why.code));
      return true;
    }
    if (writer.json())
      writer.document({{"id", name}, {"queued", **ready}});
    else
      writer.text(fmt::format("{}: {}", field(name), **ready ? "queued" : "in the queue already"));
    return true;
  };
  return answer;
}

}  // namespace impulse::control
