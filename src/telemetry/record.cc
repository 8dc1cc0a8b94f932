#include "telemetry/record.h"

namespace impulse::telemetry {

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

}  // namespace impulse::telemetry
