#include "server/logs.h"

#include "config/keys.h"

#include <algorithm>
#include <iterator>

namespace impulse::server {

namespace key = config::key;
using telemetry::Area;
using telemetry::Level;
using telemetry::LogTerms;

namespace {

LogTerms terms_of(const config::Options& global) {
  LogTerms terms;
  terms.heartbeat = global[key::log_heartbeat];
  terms.rotation.size = static_cast<uint64_t>(global[key::log_rotate_size]);
  terms.rotation.interval = global[key::log_rotate_interval];
  terms.rotation.compress = global[key::log_compress];
  terms.rotation.keep = static_cast<uint64_t>(global[key::log_keep]);
  terms.rotation.keep_time = global[key::log_keep_time];
  return terms;
}

telemetry::Choice choice_of(const config::Options& global) {
  return {global[key::jsonlog_headers], global[key::jsonlog_meta]};
}

telemetry::MailLogs::OfDomain bounce_domains(const config::Options& global) {
  if (global[key::bounce_domains].empty()) return nullptr;
  return [domains = global[key::bounce_domains]](std::string_view domain) { return domains.matches(domain); };
}

}  // namespace

Result<std::unique_ptr<Logs>> Logs::open(const config::Options& global, const std::string& node,
                                         telemetry::Counters& counters, net::Loop& main) {
  std::unique_ptr<Logs> logs(new Logs);
  // Not from the logs' own threads: the diagnostic log may be what is in trouble, or ending.
  const telemetry::LogKeeper::Trouble trouble = [&main, self = logs.get(), weak = std::weak_ptr(logs->alive_)](
                                                    std::string_view id, const std::string& text) {
    main.post([self, weak, id = std::string(id), text] {
      if (!weak.expired()) self->log_->write(Level::error, Area::server, id, text);
    });
  };
  logs->keeper_ = std::make_unique<telemetry::LogKeeper>(trouble);
  const telemetry::LogContext context{terms_of(global), &counters, logs->keeper_.get(), trouble};
  auto log = telemetry::Log::open(global[key::diagnostic_log], context);
  if (!log) return std::unexpected(log.error());
  logs->log_ = std::move(*log);
  auto mail = telemetry::MailLogs::open(
      {global[key::mainlog], global[key::bouncelog], global[key::jsonlog], {node, wall_now()}}, context);
  if (!mail) return std::unexpected(mail.error());
  logs->mail_ = std::move(*mail);
  logs->mail_->choose(choice_of(global));
  logs->mail_->read_reports(bounce_domains(global));
  auto acct = telemetry::Acctlog::open(global[key::acctlog], context);
  if (!acct) return std::unexpected(acct.error());
  logs->acct_ = std::move(*acct);
  using Form = telemetry::Rejectlog::Form;
  const bool json = config::choice(key::rejectlog_format, global[key::rejectlog_format]) == "json";
  auto reject = telemetry::Rejectlog::open(global[key::rejectlog], json ? Form::json : Form::momentum, context);
  if (!reject) return std::unexpected(reject.error());
  logs->reject_ = std::move(*reject);
  return logs;
}

Logs::~Logs() = default;

std::vector<std::pair<std::string_view, telemetry::LineWriter*>> Logs::writers() const {
  std::vector<std::pair<std::string_view, telemetry::LineWriter*>> found{{"Diagnostic_Log", log_->writer()}};
  if (mail_) std::ranges::move(mail_->writers(), std::back_inserter(found));
  if (acct_ && acct_->writer() != nullptr) found.emplace_back("Acctlog", acct_->writer());
  if (reject_ && reject_->writer() != nullptr) found.emplace_back("Rejectlog", reject_->writer());
  return found;
}

void Logs::apply(const config::Options& global) noexcept {
  const LogTerms terms = terms_of(global);
  for (const auto& [name, writer] : writers()) writer->set_terms(terms);
  if (!mail_) return;
  mail_->choose(choice_of(global));
  mail_->read_reports(bounce_domains(global));
}

std::vector<std::pair<std::string, Result<>>> Logs::reopen() {
  std::vector<std::pair<std::string, Result<>>> done;
  for (const auto& [name, writer] : writers()) done.emplace_back(name, writer->reopen());
  return done;
}

void Logs::close() {
  mail_.reset();
  acct_.reset();
  reject_.reset();
}

}  // namespace impulse::server
