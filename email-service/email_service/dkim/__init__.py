"""DKIM signatures (RFC 6376, RFC 8463): proof that a mail comes from a domain and was not changed on its way."""
