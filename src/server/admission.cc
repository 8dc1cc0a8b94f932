#include "server/admission.h"

#include "config/keys.h"

#include <fmt/format.h>
#include <malloc.h>

#include <utility>

namespace impulse::server {

namespace key = config::key;
using smtp::HostRefusal;
using telemetry::Area;
using telemetry::Level;

namespace {

MemoryMarks::Hooks hooks(telemetry::Log& log, net::Loop& main) {
  MemoryMarks::Hooks made;
  made.shrink = [&main] { main.post([] { ::malloc_trim(0); }); };
  made.tell = [&log](bool full, unsigned percent) {
    if (full)
      log.write(Level::warning, Area::server, "memory-full",
                fmt::format("{} percent of the memory are in use: no mail is taken (Memory_HWM)", percent));
    else
      log.write(Level::notice, Area::server, "memory-well",
                fmt::format("{} percent of the memory are in use: mail is taken again", percent));
  };
  return made;
}

}  // namespace

Admission::Admission(const inject::Injector& injector, telemetry::Log& log, net::Loop& main)
    : injector_(injector), memory_(hooks(log, main)) {}

std::optional<HostRefusal> Admission::Visit::enter(const Guest& guest) {
  if (guest.options[key::deny]) return std::nullopt;
  auto place = admission_.limits_.enter(session_limits(guest.options), guest.listener, guest.listen, guest.client,
                                        guest.now, guest.options[key::tenant]);
  if (!place) return std::move(place.error());
  place_ = std::move(*place);
  return std::nullopt;
}

std::optional<HostRefusal> Admission::Visit::become(const Guest& guest) {
  if (guest.options[key::deny]) return std::nullopt;  // it ends soon, and where it is
  return admission_.limits_.become(place_, session_limits(guest.options), guest.client, guest.now,
                                   guest.options[key::tenant]);
}

std::optional<HostRefusal> Admission::closed(const config::Options& global, SteadyTime now, bool waits) {
  if (memory_.full(global[key::memory_goal], global[key::memory_hwm], now))
    return HostRefusal{452, "4.3.1", "memory", "Not enough memory now, try again later"};
  const Result<> admission = injector_.admission();
  if (admission || (waits && admission.error().code == Errc::busy)) return std::nullopt;
  if (admission.error().code == Errc::no_space)
    return HostRefusal{452, "4.3.1", "admission", "Not enough storage now, try again later"};
  return HostRefusal{451, "4.3.0", "admission", "Cannot take mail now, try again later"};
}

std::optional<HostRefusal> Admission::Visit::admit(const Guest& guest, smtp::ServerHost::Stage stage) {
  return admit(guest, 1, stage == smtp::ServerHost::Stage::data);
}

std::optional<HostRefusal> Admission::Visit::admit_all(const Guest& guest, uint64_t messages) {
  return admit(guest, messages, true);
}

std::optional<HostRefusal> Admission::Visit::admit(const Guest& guest, uint64_t messages, bool begins, bool waits) {
  not_accepted();
  if (auto refusal = admission_.closed(guest.global, guest.now, waits)) return refusal;
  ThrottlePtr throttle = admission_.throttles_.of(guest.snapshot, guest.options, guest.listener, guest.listen,
                                                  guest.client, guest.now, guest.tenant);
  if (!throttle) return std::nullopt;
  const config::Rate& rate = guest.options[key::inbound_throttle_messages];
  if (rate.count != 0 && messages > rate.count)
    return HostRefusal{552, "5.7.1", "throttle", fmt::format("At most {} messages at once are taken", rate.count)};
  if (begins ? !throttle->take(rate, guest.now, messages) : throttle->full(rate, guest.now))
    return HostRefusal{451, "4.7.1", "throttle", "Too many messages, try again later"};
  if (begins) counted_ = std::make_shared<Ticket>(std::move(throttle), messages);
  return std::nullopt;
}

std::optional<HostRefusal> Admission::Visit::admit_another(const Guest& guest) {
  const auto before = std::exchange(counted_, nullptr);
  auto refusal = admit(guest, 1, true, true);
  if (before == nullptr) return refusal;
  if (const auto another = std::exchange(counted_, before)) {
    another->accepted();  // it counts on with the others
    before->add(1);
  }
  return refusal;
}

std::optional<HostRefusal> Admission::Visit::has_room(uint64_t size) const {
  if (admission_.injector_.room(size)) return std::nullopt;
  return HostRefusal{452, "4.3.1", "admission", "Not enough storage for a message of that size"};
}

}  // namespace impulse::server
