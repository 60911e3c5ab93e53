@0xf52929c01b12edcf;
# Endpoints: the targets of calls between processes.

interface EndpointFactory {
  # Holding an EndpointFactory allows creating endpoints within the process's budget. It gives no
  # access to existing ones.

  create @0 () -> (endpoint :Endpoint);
  # A new endpoint, with the rights to receive from it and to mint badged client capabilities of it
  # (`capos_abi::Rights::RECEIVE`, `MINT`).
}

interface Endpoint {
  # Holding an Endpoint with the RECEIVE right allows receiving and answering the calls made on its
  # badged client capabilities. It has no methods: receiving, answering and minting are ring
  # operations (docs/abi.md).
}
