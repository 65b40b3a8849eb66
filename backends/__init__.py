"""Adapters behind the Backend protocol of `rankdeck.backend`. One package a backend."""
