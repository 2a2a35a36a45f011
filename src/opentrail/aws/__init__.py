"""The AWS API: our services' operations, from HTTP request to HTTP response.

``server`` is the way in; each service package exposes one ``Service`` value; the packages are strangers to one another.
"""
