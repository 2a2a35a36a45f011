"""HTTP that leaves the installation: where it may go, and one bounded call.

Adapters that speak HTTP to receivers of notices, webhooks, subscriptions and API destinations do it through here alone.
In: a URL, a body, and a ``Guard`` that knows what the operator allows. Out: a status and a bounded body.

Nothing is imported here: the settings need the guard alone, and the client takes long to load.
"""
