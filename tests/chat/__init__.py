"""Chat platforms on loopback, for the tests of the surfaces that speak to them."""
