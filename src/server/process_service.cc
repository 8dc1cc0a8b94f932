#include "server/process_service.h"

#include "net/certificate.h"
#include "server/client_session.h"
#include "server/proc.h"

#include <unistd.h>

#include <latch>
#include <map>
#include <mutex>
#include <utility>

namespace impulse::server {

using telemetry::Counter;

namespace {

constexpr auto soon = std::chrono::hours(30 * 24);      // a certificate's end that is worth a warning
constexpr auto list_soon = std::chrono::hours(3 * 24);  // and a CRL's, which are short-lived

// By its Certificate scope when it is served to those who ask for a name.
std::string served_name(const std::string& first, const net::TlsContext::Served& served) {
  return served.patterns.empty() ? first : served.name;
}

// What is the matter with a certificate as it is on disk.
std::optional<control::CertificateTrouble> time_trouble(const net::TlsContext& context, size_t index, WallTime now) {
  const auto certificate = net::certificate_of(context, index);
  if (!certificate) return std::nullopt;
  const auto days = [&](WallTime a, WallTime b) {
    return std::chrono::duration_cast<std::chrono::hours>(a - b).count() / 24;
  };
  control::CertificateTrouble trouble;
  if (certificate->expires <= now) {
    trouble.id = "tls-expired";
    trouble.text = fmt::format("it is over since {} days", days(now, certificate->expires));
  } else if (certificate->begins > now) {
    trouble.id = "tls-not-yet";
    trouble.text = fmt::format("it begins in {} days", days(certificate->begins, now));
  } else if (certificate->expires - now < soon) {
    trouble.id = "tls-expires";
    trouble.text = fmt::format("it ends in {} days", days(certificate->expires, now));
  } else {
    return std::nullopt;
  }
  return trouble;
}

}  // namespace

std::vector<control::ThreadStatus> ProcessService::threads() {
  // Loops tell what only they know; all are asked at once.
  std::map<int64_t, control::ThreadStatus::Load> loads;
  std::mutex mutex;
  const auto note = [&](uint64_t sessions, const net::Loop& loop) {
    const std::lock_guard lock(mutex);
    loads[::gettid()] = {sessions, loop.events(), Duration(loop.longest_round.load(std::memory_order_relaxed))};
  };
  std::latch delivered(1);
  parts_.delivery_loop.post([&] {
    note(0, parts_.delivery_loop);
    delivered.count_down();
  });
  parts_.loops.run_on_all([&](Worker& worker) { note(worker.sessions.size(), *worker.loop); });
  delivered.wait();
  note(0, parts_.main);
  auto found = process_threads();
  for (control::ThreadStatus& thread : found)
    if (const auto load = loads.find(thread.id); load != loads.end()) thread.loop = load->second;
  return found;
}

void ProcessService::reset_longest() {
  for (const Worker* worker : parts_.loops.all()) worker->loop->longest_round.store(0, std::memory_order_relaxed);
  parts_.delivery_loop.longest_round.store(0, std::memory_order_relaxed);
  parts_.main.longest_round.store(0, std::memory_order_relaxed);
}

control::MemoryStatus ProcessService::memory() {
  control::MemoryStatus memory = process_memory();
  uint64_t sessions = 0;
  uint64_t buffered = 0;
  std::mutex mutex;
  parts_.loops.run_on_all([&](Worker& worker) {
    uint64_t bytes = 0;
    for (const auto& [id, session] : worker.sessions) bytes += session->held();
    const std::lock_guard lock(mutex);
    sessions += worker.sessions.size();
    buffered += bytes;
  });
  const auto value = [&](Counter counter) {
    return static_cast<uint64_t>(std::max<int64_t>(0, parts_.counters.value(counter)));
  };
  const spool::Status spool = parts_.spool.status();
  memory.parts = {{"inbound_sessions", sessions, buffered},
                  {"outbound_sessions", value(Counter::outbound_open), std::nullopt},
                  {"queued_recipients", value(Counter::queued_recipients), std::nullopt},
                  {"spooled_messages", spool.messages, std::nullopt},
                  {"resident_messages", spool.resident, spool.resident_bytes},
                  {"configurations_in_use", parts_.snapshots.snapshots(), std::nullopt},
                  {"configurations_in_history", parts_.snapshots.trees(), std::nullopt}};
  return memory;
}

control::SystemInfo ProcessService::information() { return system_information(); }

std::vector<std::pair<std::string, Result<>>> ProcessService::reopen_logs() { return parts_.logs.reopen(); }

std::vector<control::LogStatus> ProcessService::logs() {
  std::vector<control::LogStatus> found;
  for (const auto& [name, writer] : parts_.logs.writers()) {
    telemetry::LineWriter::Status status = writer->status();
    found.push_back({std::string(name), std::move(status.path), status.size, status.waiting, status.dropped,
                     status.rotations, std::move(status.trouble)});
  }
  return found;
}

void ProcessService::rotate_logs() {
  for (const auto& [name, writer] : parts_.logs.writers()) writer->rotate();
}

std::vector<telemetry::LogLine> ProcessService::recent_log(size_t each_level) {
  return parts_.logs.log().recent(each_level);
}

telemetry::Level ProcessService::log_level(telemetry::Area area) {
  telemetry::Level level = telemetry::Level::critical;
  for (const auto next : {telemetry::Level::error, telemetry::Level::warning, telemetry::Level::notice,
                          telemetry::Level::info, telemetry::Level::debug})
    if (parts_.logs.log().wants(next, area)) level = next;
  return level;
}

void ProcessService::reset_counters(std::optional<Counter> counter, WallTime now) {
  if (counter)
    parts_.counters.reset(*counter, now);
  else
    parts_.counters.reset(now);
}

std::vector<control::CertificateStatus> ProcessService::certificates() {
  std::vector<control::CertificateStatus> found;
  for (TlsStore::InUse& used : parts_.tls.in_use()) {
    control::CertificateStatus row;
    row.used_by = std::move(used.places);
    row.client_ca = std::move(used.client_ca);
    row.crl_expires = used.context->crl_expiry();
    row.psk_identities = used.context->psk_identities();
    const auto served = used.context->served();
    for (size_t i = 0; i < served.size(); ++i) {
      row.name = served_name(used.name, served[i]);
      row.server_names = served[i].patterns;
      if (auto certificate = net::certificate_of(*used.context, i)) {
        row.subject = std::move(certificate->subject);
        row.names = std::move(certificate->names);
        row.issuer = std::move(certificate->issuer);
        row.serial = std::move(certificate->serial);
        row.key = std::move(certificate->key);
        row.begins = certificate->begins;
        row.expires = certificate->expires;
        row.chain = certificate->chain;
      }
      found.push_back(row);
    }
    if (!served.empty()) continue;
    row.name = std::move(used.name);  // pre-shared keys alone
    found.push_back(std::move(row));
  }
  return found;
}

std::vector<control::CertificateTrouble> ProcessService::check_certificates(WallTime now) {
  std::vector<control::CertificateTrouble> found;
  const auto used = parts_.tls.in_use();
  for (size_t i = 0; i < used.size(); ++i) {
    const auto on_disk = parts_.tls.on_disk(i);
    if (!on_disk) {
      found.push_back({used[i].name, "tls-certificate", on_disk.error().message});
      continue;
    }
    if (*on_disk != used[i].context)
      found.push_back({used[i].name, "tls-renewed", "its files have changed: 'tls reload' takes them into use"});
    const auto served = (*on_disk)->served();
    for (size_t j = 0; j < served.size(); ++j) {
      const std::string name = served_name(used[i].name, served[j]);
      if (auto trouble = time_trouble(**on_disk, j, now)) {
        trouble->name = name;
        found.push_back(std::move(*trouble));
      }
      if (std::string trouble = net::chain_trouble(**on_disk, now, j); !trouble.empty())
        found.push_back({name, "tls-chain", std::move(trouble)});
    }
    if (const auto ends = (*on_disk)->crl_expiry(); ends && *ends - now < list_soon)
      found.push_back({used[i].name, "tls-crl",
                       fmt::format("its list of revoked certificates ends in {} hours",
                                   std::chrono::duration_cast<std::chrono::hours>(*ends - now).count())});
  }
  return found;
}

Result<std::vector<std::string>> ProcessService::reload_certificates() {
  auto renewed = parts_.tls.reload();
  if (renewed)
    for (const std::string& name : *renewed)
      parts_.logs.log().write(telemetry::Level::notice, telemetry::Area::tls, "tls-renewed", name);
  return renewed;
}

}  // namespace impulse::server
