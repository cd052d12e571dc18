mod crash;
mod damage;
mod place;
mod roundtrip;
