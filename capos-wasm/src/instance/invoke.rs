//! Calling one export of a module instead of running it as a program.

use crate::{
    Launch, Value, ValueType,
    engine::printable,
    pace::{ITEM_WORK, Pace},
};

/// A call requested by a user, with the arguments as typed.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) function: String,
    arguments: Vec<String>,
}

impl Invocation {
    /// A call of this export with the arguments of a launch, except for the program's name.
    pub(crate) fn new(function: &str, launch: &Launch) -> Self {
        let arguments = launch.arguments.iter().skip(1);
        let arguments = arguments.map(|argument| String::from_utf8_lossy(argument).into_owned()).collect();
        Self { function: function.to_owned(), arguments }
    }

    /// The arguments for parameters of these types; `None` is a type that cannot be typed in. An error says which
    /// argument is wrong.
    pub(crate) fn values(&self, types: &[Option<ValueType>]) -> Result<Vec<Value>, String> {
        let Self { function, arguments } = self;
        if arguments.len() != types.len() {
            let (takes, given) = (types.len(), arguments.len());
            return Err(format!("{function:?} takes {takes} arguments, and {given} were given"));
        }
        let values = (1..).zip(types.iter().zip(arguments)).map(|(number, (ty, text))| match ty {
            Some(ty) => Value::parse(*ty, text)
                .map_err(|reason| format!("argument {number} of {function:?}: {reason}")),
            None => Err(format!(
                "parameter {number} of {function:?} is a vector or reference, which cannot be given"
            )),
        });
        values.collect()
    }

    /// The error for an export that does not exist. `exports` are the names of all exports, each with whether it is a function.
    pub(crate) async fn unknown<'a>(
        &self,
        exports: impl Iterator<Item = (&'a str, bool)>,
        pace: &mut Pace,
    ) -> String {
        const SHOWN: usize = 20;
        let (mut names, mut more) = (Vec::new(), 0);
        for (name, is_function) in exports {
            match is_function {
                true if names.len() < SHOWN => names.push(format!("{:?}", printable(name))),
                true => more += 1,
                false => {}
            }
            pace.spend(ITEM_WORK).await;
        }
        let names = match (names.is_empty(), more) {
            (true, _) => "it exports none".to_owned(),
            (false, 0) => format!("there are {}", names.join(", ")),
            (false, more) => format!("there are {} and {more} more", names.join(", ")),
        };
        format!("no exported function {:?}; {names}", self.function)
    }
}

#[cfg(test)]
mod tests {
    use super::{Invocation, Pace};
    use crate::{Launch, Value, ValueType};
    use futures::executor::block_on;

    fn invocation(arguments: &[&str]) -> Invocation {
        let all = ["name"].iter().chain(arguments).copied();
        Invocation::new("f", &Launch::new(all, []).expect("arguments without a NUL"))
    }

    #[test]
    fn arguments_have_the_types_of_the_parameters() {
        let values = invocation(&["1", "2"]).values(&[Some(ValueType::I32), Some(ValueType::F64)]);
        assert_eq!(values, Ok(vec![Value::I32(1), Value::F64(2.0)]));
        let error = invocation(&["1"]).values(&[]).expect_err("one too many");
        assert_eq!(error, "\"f\" takes 0 arguments, and 1 were given");
        let error = invocation(&["1", "x"]).values(&[Some(ValueType::I32); 2]).expect_err("no number");
        assert!(error.starts_with("argument 2 of \"f\": \"x\""), "{error}");
        assert!(invocation(&["1"]).values(&[None]).is_err());
    }

    #[test]
    fn an_unknown_export_comes_with_those_that_there_are() {
        let unknown = |exports: &[(&str, bool)]| {
            let mut pace = Pace::new(None);
            block_on(invocation(&[]).unknown(exports.iter().copied(), &mut pace))
        };
        let error = unknown(&[("fib", true), ("memory", false), ("mem", true)]);
        assert_eq!(error, "no exported function \"f\"; there are \"fib\", \"mem\"");
        assert!(unknown(&[("memory", false)]).ends_with("it exports none"));
        assert!(unknown(&[("g", true); 50]).ends_with("and 30 more"));
    }
}
