// threads, memory: what the process is made of.
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"

namespace impulse::control {

namespace {

double seconds(Duration time) { return static_cast<double>(time.count()) / 1e6; }
double milliseconds(Duration time) { return static_cast<double>(time.count()) / 1e3; }

void say_thread(Writer& writer, const ThreadStatus& thread) {
  if (writer.json()) {
    Json document{{"id", thread.id},
                  {"name", thread.name},
                  {"state", std::string(1, thread.state)},
                  {"user", seconds(thread.user)},
                  {"system", seconds(thread.system)}};
    if (thread.loop) {
      document["sessions"] = thread.loop->sessions;
      document["events"] = thread.loop->events;
      document["longest"] = seconds(thread.loop->longest);
    }
    writer.document(document);
    return;
  }
  writer.text(fmt::format("{:<15} {:>8} {:>5} {:>12.2f} {:>12.2f} {:>9} {:>9} {:>9}", field(thread.name, 15), thread.id,
                          thread.state, seconds(thread.user), seconds(thread.system),
                          thread.loop ? std::to_string(thread.loop->sessions) : "-",
                          thread.loop ? std::to_string(thread.loop->events) : "-",
                          thread.loop ? fmt::format("{:.2f}", milliseconds(thread.loop->longest)) : "-"));
}

// "12,345,678": many digits are read in threes.
std::string grouped(uint64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

double percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

Json memory_json(const MemoryStatus& memory) {
  Json parts = Json::object();
  for (const MemoryPart& part : memory.parts) {
    parts[part.name] = {{"count", part.count}};
    if (part.bytes) parts[part.name]["bytes"] = *part.bytes;
  }
  return {{"resident", memory.resident},
          {"resident_peak", memory.resident_peak},
          {"virtual", memory.address_space},
          {"machine", memory.machine},
          {"heap", memory.heap},
          {"heap_in_use", memory.heap_in_use},
          {"heap_free", memory.heap_free},
          {"parts", std::move(parts)}};
}

void say_memory(Writer& writer, const MemoryStatus& memory) {
  if (writer.json()) {
    writer.document(memory_json(memory));
    return;
  }
  writer.text(fmt::format("{:<30} {:>12} {:>18}", "memory type", "objects", "current bytes"));
  for (const MemoryPart& part : memory.parts)
    writer.text(fmt::format("{:>30} {:>12} {:>18}", part.name, part.count, part.bytes ? grouped(*part.bytes) : "-"));
  const auto row = [&](std::string_view name, uint64_t bytes) {
    writer.text(
        fmt::format("{:<14} {:>18} {:>22} {:6.2f}%", name, bytes, grouped(bytes), percent(bytes, memory.machine)));
  };
  row("Heap:", memory.heap);
  row("Heap in use:", memory.heap_in_use);
  row("Heap free:", memory.heap_free);
  row("RSS:", memory.resident);
  row("Peak RSS:", memory.resident_peak);
  row("VSZ:", memory.address_space);
}

}  // namespace

Answer threads(const Invocation& call) {
  if (!call.words.empty()) return usage("threads", "nothing is expected behind it");
  const auto rows = std::make_shared<const std::vector<ThreadStatus>>(call.system.process().threads());
  Status status;
  status.with("threads", rows->size());
  Step heading;
  if (!call.json)
    heading = each(1, [](Writer& writer, size_t) {
      writer.text(fmt::format("{:<15} {:>8} {:>5} {:>12} {:>12} {:>9} {:>9} {:>9}", "NAME", "ID", "STATE",
                              "USER SECONDS", "SYSTEM", "SESSIONS", "EVENTS", "LONGEST"));
    });
  return {std::move(status),
          then(std::move(heading),
               each(rows->size(), [rows](Writer& writer, size_t i) { say_thread(writer, (*rows)[i]); })),
          false};
}

Answer threads_reset(const Invocation& call) {
  if (!call.words.empty()) return usage("threads reset", "nothing is expected behind it");
  call.system.process().reset_longest();
  return {};
}

Answer memory(const Invocation& call) {
  if (!call.words.empty()) return usage("memory", "nothing is expected behind it");
  return Answer::once({}, [memory = call.system.process().memory()](Writer& writer) { say_memory(writer, memory); });
}

}  // namespace impulse::control
