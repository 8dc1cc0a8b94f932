#include "telemetry/record.h"

#include "message/delivery_report.h"
#include "message/feedback_report.h"

#include <optional>
#include <utility>

namespace impulse::telemetry {

std::pair<std::string_view, std::string_view> divide_peer(std::string_view peer) {
  const size_t colon = peer.rfind(':');
  if (colon == std::string_view::npos || peer.find('/') != std::string_view::npos) return {peer, {}};
  std::string_view address = peer.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']'))
    address = address.substr(1, address.size() - 2);
  else if (address.find(':') != std::string_view::npos)
    return {peer, {}};  // of IPv6, alone
  return {address, peer.substr(colon + 1)};
}

Record record_of(const Reception& reception, size_t recipient) {
  const message::Envelope& envelope = *reception.envelope;
  Record record;
  record.kind = Record::Kind::reception;
  record.time = record.received = envelope.received;
  record.id = reception.id;
  record.recipient = envelope.recipients[recipient].address;
  record.sender = envelope.sender;
  record.peer = envelope.client.to_string();
  record.peer_name = envelope.client_helo;
  record.local = envelope.listener;
  record.domain = message::domain_of(record.recipient);
  record.size = reception.size;
  record.session = reception.session;
  record.tenant = envelope.tenant;
  if (!envelope.binding.empty()) record.binding = envelope.binding;
  record.binding_group = reception.binding_group;
  record.protocol = reception.protocol;
  record.envelope = reception.envelope;
  return record;
}

std::vector<Record> out_of_band(const Reception& reception, size_t recipient) {
  std::vector<Record> records;
  auto report = reception.report ? message::read_report(*reception.report) : std::nullopt;
  if (!report) return records;
  for (message::ReportedRecipient& reported : report->recipients) {
    if (reported.action != "failed") continue;
    Record record = record_of(reception, recipient);
    record.kind = Record::Kind::out_of_band;
    record.sender = std::move(record.recipient);
    record.recipient = std::move(reported.original.empty() ? reported.final : reported.original);
    record.domain = message::domain_of(record.recipient);
    record.reception_protocol = std::exchange(record.protocol, {});
    record.peer_name = reported.remote_mta.empty() ? report->reporting_mta : std::move(reported.remote_mta);
    record.stage = Stage::out_of_band;
    record.status = std::move(reported.status);
    record.response = std::move(reported.diagnostic);
    record.envelope_id = report->envelope_id;
    records.push_back(std::move(record));
  }
  return records;
}

std::shared_ptr<const message::FeedbackReport> feedback_in(const Reception& reception) {
  auto feedback = reception.report ? message::read_feedback(*reception.report) : std::nullopt;
  return feedback ? std::make_shared<const message::FeedbackReport>(std::move(*feedback)) : nullptr;
}

}  // namespace impulse::telemetry
