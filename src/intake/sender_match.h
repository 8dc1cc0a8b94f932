// Whose address a user who is known may write as sender (Sender_Must_Match_User).
#pragma once

#include <cstdint>
#include <string_view>

namespace impulse::intake {

enum class SenderMatch : uint8_t { off, domain, address };  // as the catalogue lists them

// `sender`: of the envelope; empty for <>. Reports have no sender, and may be
// anybody's; so may the mail of somebody who is not known (`user` is empty). A
// user without '@' is taken for a domain.
bool sender_matches(SenderMatch rule, std::string_view sender, std::string_view user);

}  // namespace impulse::intake
