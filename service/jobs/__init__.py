"""Requests that outlive their response: handed in, worked on by processes of their own, asked for later."""
