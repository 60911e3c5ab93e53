//! Adds to the number behind the grant "counter", and prints the totals.

use ::template::counter_capnp::counter;

fn main() -> Result<(), capnp::Error> {
    let counter: counter::Client = capos_rt::grant("counter")?;
    capos_rt::block_on(async {
        for amount in [1, 10, 100] {
            let mut request = counter.add_request();
            request.get().set_amount(amount);
            let response = request.send().promise.await?;
            println!("total {}", response.get()?.get_total());
        }
        Ok(())
    })
}
