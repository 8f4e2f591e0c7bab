"""The reference service: a small payments reconciliation service that lives on seawall guards.

Its guards are in `reference.guards`, its four services in `reference.services`, the things it depends
on in `reference.dependencies` (each one a process of its own), the faults in `reference.proxy` (on the
wire only), and the demo that plays an outage against all of it in `reference.demo`.
"""
