// Letter: a message as it was read for a connection, and what it asks of the server at the other end.
#pragma once

#include "base/id.h"
#include "base/result.h"
#include "smtp/client_session.h"
#include "spool/spool.h"
#include "telemetry/record.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace impulse::delivery {

struct Letter {
  spool::Stored stored;
  // Where the other side takes 7 bits only and the message has more: its body for there, or why there is none.
  std::optional<Result<std::string>> seven_bit;
  smtp::DataMeasure measured{};  // of the body that is sent
  telemetry::NotePtr note{};     // where the logs want one
};
// From any thread; blocks. The rest of a large body stays on the disk (Stored::rest), unless it has to be converted.
Result<Letter> read_letter(const spool::Spool& spool, MessageId id, const smtp::ClientOffers& offers);

// What it asks of the next server, for the recipients of these numbers in the envelope. Without JobClient.
// Borrows from the letter.
smtp::Job job_of(const Letter& letter, const std::vector<uint32_t>& recipients);

}  // namespace impulse::delivery
