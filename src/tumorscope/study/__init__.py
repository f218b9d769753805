"""Several recipes under the same protocols, and one comparison of them."""
